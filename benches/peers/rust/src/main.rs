//! `peers FOLDER PEER CELL WORK` runs a layer of PEER (candle, burn or tract) on FOLDER/in.safetensors, which holds `x`
//! [T, B, I] and the weights as PyTorch has them; tract reads FOLDER/model.onnx. WORK is `check`, which writes what is
//! computed to FOLDER/results.safetensors, or `inference` or `training`, which print milliseconds as JSON.
//! RAYON_NUM_THREADS says how many threads there are.

mod on_burn;
mod on_candle;
mod on_tract;

use std::collections::HashMap;
use std::path::Path;
use std::time::Instant;

use candle_core::{Device, Tensor};

type Anyhow<T> = Result<T, Box<dyn std::error::Error>>;

/// Names and values: `y`, and gradients as `x`, `start 0`, `d weight_ih` and so on.
type Found = HashMap<String, Tensor>;

/// What everybody is given.
struct Case {
    cell: String,
    given: HashMap<String, Tensor>,
    steps: usize,
    batch: usize,
    inputs: usize,
    size: usize,
}

/// A layer, ready to run.
trait Peer {
    /// What a call leaves, not converted yet.
    type Run;
    fn infer(&self) -> Anyhow<Self::Run>;
    fn found(&self, run: Self::Run) -> Anyhow<Found>;
    /// Whether there are gradients; `train` is not called else.
    const TRAINS: bool;
    fn train(&self) -> Anyhow<Self::Run>;
}

fn main() -> Anyhow<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, peer, cell, work] = words.as_slice() else {
        return Err("peers FOLDER PEER CELL WORK".into());
    };
    flush();
    let pool = rayon::ThreadPoolBuilder::new().start_handler(|_| flush());
    pool.build_global()?;
    let folder = Path::new(folder);
    let given = candle_core::safetensors::load(folder.join("in.safetensors"), &Device::Cpu)?;
    let (steps, batch, inputs) = given["x"].dims3()?;
    let size = given["weight_hh"].dim(1)?;
    let case = Case { cell: cell.clone(), given, steps, batch, inputs, size };
    let results = folder.join("results.safetensors");
    match peer.as_str() {
        "candle" => run(&on_candle::Layer::new(&case)?, work, &results),
        "burn" => run(&on_burn::Layer::new(&case)?, work, &results),
        "tract" => run(&on_tract::Layer::new(&case, &folder.join("model.onnx"))?, work, &results),
        _ => Err(format!("there is no peer {peer}").into()),
    }
}

fn run<P: Peer>(peer: &P, work: &str, results: &Path) -> Anyhow<()> {
    let times = match work {
        "check" => {
            let mut found = peer.found(peer.infer()?)?;
            if P::TRAINS {
                // Both ways must be right; the output of inference stands beside.
                let alone = found.remove("y").ok_or("no output")?;
                found = peer.found(peer.train()?)?;
                found.insert("inference".to_owned(), alone);
            }
            return Ok(candle_core::safetensors::save(&found, results)?);
        }
        "inference" => clock(|| peer.infer().map(drop))?,
        "training" if P::TRAINS => clock(|| peer.train().map(drop))?,
        _ => return Err(format!("cannot {work}").into()),
    };
    println!("{times:?}");
    Ok(())
}

/// Milliseconds of three calls or more, after one that only warms up.
fn clock(work: impl Fn() -> Anyhow<()>) -> Anyhow<Vec<f64>> {
    work()?;
    let mut times: Vec<f64> = Vec::new();
    while times.len() < 3 || (times.iter().sum::<f64>() < 10.0 && times.len() < 50) {
        let begin = Instant::now();
        work()?;
        times.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    Ok(times)
}

/// Denormals count as zero in this thread, as in rnnc.
fn flush() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: sets only the bits for flush-to-zero and denormals-are-zero, which no code here relies on.
    unsafe {
        let mut control = 0u32;
        std::arch::asm!("stmxcsr [{}]", in(reg) &mut control);
        control |= 0x8040;
        std::arch::asm!("ldmxcsr [{}]", in(reg) &control);
    }
}
