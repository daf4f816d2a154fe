//! A program that uses the library: gradients of a cell of its own, weights of a checkpoint, a stream.

use std::error::Error;
use std::path::Path;

use ndarray::{Array, Array3, ArrayD, Axis, s};
use rnnc::{Cell, Engine, ErrorKind, Gradients, Inputs, Layout, Params, Run, Upstream};

const LEAKY: &str = "
    /// A leaky memory. What stays of it is decided by the input.
    cell Leaky {
      dims  I, H
      input x: [I]
      state h: [H]
      param V, W: [H, I], U: [H, H], b: [H], k: [H]
      gate keep = sigmoid(V @ x + k)
      let  new = tanh(W @ x + U @ prev h + b)
      h = keep * prev h + (1 - keep) * new
      output h
    }";

/// A run can be returned, for it owns what it keeps.
fn run(engine: &Engine, params: &Params<f32>, x: &Array3<f32>) -> Result<Run<f32>, rnnc::Error> {
    engine.forward(params, Inputs::new().with("x", x.view()).lengths([4, 6]))
}

fn descend(params: &mut Params<f32>, gradients: &Gradients<f32>) -> Result<(), rnnc::Error> {
    let changed: Vec<(String, ArrayD<f32>)> = gradients
        .params()
        .map(|(name, gradient)| (name.to_owned(), &params[name] - &(gradient * 0.01f32)))
        .collect();
    changed.iter().try_for_each(|(name, values)| params.set(name, values))
}

fn main() -> Result<(), Box<dyn Error>> {
    let cell = Cell::parse(LEAKY)?.bind([("I", 3), ("H", 4)])?;
    let engine = cell.engine().threads(1).memory("64M").trace(["keep"]).build()?;
    let mut params = cell.init::<f32>(7)?;
    let x = Array::from_shape_fn((6, 2, 3), |(t, b, i)| ((t + 2 * b + i) as f32).sin());
    let before = run(&engine, &params, &x)?;
    let run = std::thread::spawn(move || before).join().map_err(|_| "the thread panicked")?;
    let (outputs, kept) = (run.output("h")?, run.trace("keep")?);
    assert_eq!((outputs.shape(), kept.shape()), (&[6, 2, 4][..], &[6, 2, 4][..]));
    let sum = outputs.sum();
    let gradients = engine.backward(&run, Upstream::ones())?;
    descend(&mut params, &gradients)?;
    let after = engine.infer(&params, Inputs::new().with("x", x.view()).lengths([4, 6]))?;
    assert!(after.output("h")?.sum() < sum);

    // Every second step, without a copy.
    let half = x.slice(s![..;2, .., ..]);
    assert_eq!(engine.infer(&params, half)?.steps(), 3);

    let file = std::env::temp_dir().join(format!("stranger-{}.safetensors", std::process::id()));
    let loaded = checkpoint(&file);
    std::fs::remove_file(&file)?;
    let (lstm, weights) = loaded?;

    let engine = lstm.engine().threads(1).build()?;
    let mut stream = engine.stream(&weights, Inputs::new().batch(2))?;
    for step in x.axis_iter(Axis(0)) {
        stream.step(step)?;
    }
    let whole = engine.infer(&weights, &x)?;
    assert_eq!(*stream.output("h")?, whole.output("h")?.index_axis(Axis(0), 5));
    assert_eq!(stream.state("c")?, *whole.state("c")?);

    let error = Cell::parse("cell A { dims H  input x: [H]  output y }").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Spec);
    assert!(error.diagnostics().iter().any(|it| it.is_error()));
    println!("a stranger finds its way");
    Ok(())
}

/// Weights of a larger model, whose sizes are those of its tensors.
fn checkpoint(file: &Path) -> Result<(Cell, Params<f32>), rnnc::Error> {
    let layout = Layout::named("pytorch").prefix("encoder.rnn.");
    let made = Cell::std("lstm")?.bind([("I", 3), ("H", 5)])?.init::<f32>(1)?;
    made.save(file, &layout.clone().suffix("_l0"))?;
    let (cell, read) = Cell::std("lstm")?.load::<f32>(file, &layout)?;
    assert_eq!((cell.size("I"), cell.size("H")), (Some(3), Some(5)));
    assert!(read.iter().eq(made.iter()));
    Ok((cell, read))
}
