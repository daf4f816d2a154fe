//! Files of several arrays: `.npz`, what `torch.save` writes, shards; and the kinds that are not read.

use std::path::Path;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn, arr1, arr2};
use rnnc::data::{
    DataError, Stored, Tensor, read_named, read_weights, write_npy, write_safetensors,
};

use crate::allocation::measured;
use crate::archives::{Pickle, torch, zip};

type Named = Vec<(String, Stored)>;

fn read(bytes: &[u8]) -> Result<Named, DataError> {
    read_named(Path::new("w"), bytes.to_vec())
}

fn decoded(bytes: &[u8]) -> Vec<(String, Tensor)> {
    let named = read(bytes).expect("a sound file");
    named.into_iter().map(|(name, it)| (name, it.tensor().expect("sound elements"))).collect()
}

fn bytes_of<const N: usize>(values: impl IntoIterator<Item = [u8; N]>) -> Vec<u8> {
    values.into_iter().flatten().collect()
}

#[test]
fn what_savez_writes_is_read_packed_or_not() {
    let a = arr2(&[[1.0, 2.5], [-3.0, 4.0]]).into_dyn();
    let b = arr1(&[7.0f32]).into_dyn();
    let (npy_a, npy_b) = (write_npy(&a.view()), write_npy(&b.view()));
    for packed in [false, true] {
        let bytes =
            zip(&[("b.npy", &npy_b, packed), ("enc/a.npy", &npy_a, packed), ("x", b"", false)]);
        let named = decoded(&bytes);
        assert_eq!(named.iter().map(|it| &*it.0).collect::<Vec<_>>(), ["b", "enc/a"]);
        assert_eq!(named[1].1.values, a);
        assert_eq!(named[0].1.values, arr1(&[7.0]).into_dyn());
    }
    let error = read(&zip(&[("readme.txt", b"x", false)])).unwrap_err();
    assert!(error.to_string().contains("the zip file holds no arrays"), "{error}");
}

#[test]
fn an_array_of_objects_matters_only_if_it_is_asked_for() {
    let good = write_npy(&arr1(&[1.0]).into_dyn().view());
    let odd = String::from_utf8_lossy(&good).replace("'<f8'", "'|O' ").replace("|O' ", "|O'");
    let mut odd_bytes = good.clone();
    let at = good.windows(5).position(|it| it == b"'<f8'").unwrap();
    odd_bytes.splice(at..at + 5, *b"'|O' ");
    assert!(odd.contains("|O"));
    let named = read(&zip(&[("good.npy", &good, false), ("odd.npy", &odd_bytes, false)])).unwrap();
    assert_eq!(named[0].1.tensor().unwrap().values[[0]], 1.0);
    let error = named[1].1.tensor().unwrap_err().to_string();
    assert!(error.contains("pickled objects are not supported"), "{error}");
}

#[test]
fn tensors_of_pytorch_are_read_with_their_types_and_strides() {
    let f32s = bytes_of((0..6).map(|it| (it as f32).to_le_bytes()));
    let f16s = bytes_of([1.5f32, -2.0].map(|it| f16::from_f32(it).to_le_bytes()));
    let bf16s = bytes_of([3.0f32, 0.5].map(|it| bf16::from_f32(it).to_le_bytes()));
    let i64s = bytes_of([7i64, -8].map(i64::to_le_bytes));
    let program = Pickle::new().dict().op(b"(");
    let program = program
        .text("plain")
        .tensor("FloatStorage", "0", 6, (0, &[2, 3], &[3, 1]))
        .text("turned")
        .tensor("FloatStorage", "0", 6, (0, &[3, 2], &[1, 3]))
        .text("part")
        .tensor("FloatStorage", "0", 6, (4, &[2], &[1]))
        .text("every_other")
        .tensor("FloatStorage", "0", 6, (1, &[3], &[2]))
        .text("repeated")
        .tensor("FloatStorage", "0", 6, (5, &[2, 2], &[0, 0]))
        .text("scalar")
        .tensor("FloatStorage", "0", 6, (3, &[], &[]))
        .text("empty")
        .tensor("FloatStorage", "0", 6, (0, &[0, 3], &[3, 1]))
        .text("half")
        .tensor("HalfStorage", "1", 2, (0, &[2], &[1]))
        .text("brain")
        .tensor("BFloat16Storage", "2", 2, (0, &[2], &[1]))
        .text("whole")
        .tensor("LongStorage", "3", 2, (0, &[2], &[1]))
        .text("yes")
        .tensor("BoolStorage", "4", 2, (0, &[2], &[1]))
        .text("double")
        .tensor("DoubleStorage", "3", 2, (0, &[1], &[1]))
        .text("odd")
        .tensor("ComplexFloatStorage", "0", 3, (0, &[3], &[1]))
        .text("epoch")
        .int(3)
        .op(b"u")
        .stop();
    let bytes =
        torch(&program, &[("0", &f32s), ("1", &f16s), ("2", &bf16s), ("3", &i64s), ("4", &[1, 0])]);
    let named = read(&bytes).unwrap();
    let values = |name: &str| {
        let found = named.iter().find(|it| it.0 == name).expect(name);
        let tensor = found.1.tensor().expect(name);
        (tensor.shape.clone(), tensor.values.iter().copied().collect::<Vec<f64>>())
    };
    for (name, shape, expected) in [
        ("plain", &[2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..]),
        ("turned", &[3, 2], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
        ("part", &[2], &[4.0, 5.0]),
        ("every_other", &[3], &[1.0, 3.0, 5.0]),
        ("repeated", &[2, 2], &[5.0; 4]),
        ("scalar", &[], &[3.0]),
        ("empty", &[0, 3], &[]),
        ("half", &[2], &[1.5, -2.0]),
        ("brain", &[2], &[3.0, 0.5]),
        ("whole", &[2], &[7.0, -8.0]),
        ("yes", &[2], &[1.0, 0.0]),
    ] {
        assert_eq!(values(name), (shape.to_vec(), expected.to_vec()), "{name}");
    }
    assert!(named.iter().all(|it| it.0 != "epoch"));
    let odd = &named.iter().find(|it| it.0 == "odd").unwrap().1;
    assert!(odd.tensor().unwrap_err().to_string().contains("`ComplexFloat` cannot be read"));
}

#[test]
fn checkpoints_with_more_than_weights_give_the_weights() {
    let one =
        |it: Pickle, name: &str| it.text(name).tensor("FloatStorage", "0", 1, (0, &[1], &[1]));
    let names = |program: Pickle| -> Vec<String> {
        let bytes = torch(&program.stop(), &[("0", &1f32.to_le_bytes())]);
        read(&bytes).unwrap().into_iter().map(|it| it.0).collect()
    };
    let lightning =
        Pickle::new().op(b"}(").text("epoch").int(1).text("optimizer_states").op(b"](}(");
    let lightning = one(lightning, "exp_avg").op(b"ue").text("state_dict").dict().op(b"(");
    let lightning = one(lightning, "net.W").op(b"u").text("lr").op(b"G?\xf0\0\0\0\0\0\0");
    assert_eq!(names(lightning.op(b"u")), ["net.W"]);
    let nested = Pickle::new().op(b"}").text("model").dict().op(b"(");
    assert_eq!(names(one(nested, "W").op(b"us")), ["W"]);
    let two = Pickle::new().op(b"}(").text("enc").dict().op(b"(");
    let two = one(two, "W").op(b"u").text("dec").dict().op(b"(");
    assert_eq!(names(one(two, "W").op(b"uu")), ["dec.W", "enc.W"]);
    // A parameter is its tensor; memo, protocol 4 and a pickled tuple key are all in use.
    let parameter = Pickle::new().op(b"}").text("W").name("torch._utils", "_rebuild_parameter");
    let parameter = parameter.op(b"(").op(b"").name("torch._utils", "_rebuild_tensor_v2").op(b"(");
    let parameter = parameter.storage("FloatStorage", "0", 1).int(0).ints(&[1]).ints(&[1]);
    let parameter = parameter.op(b"\x89").dict().op(b"tR\x88").dict().op(b"tRs");
    assert_eq!(names(parameter), ["W"]);
    // Big-endian machines say so.
    let program = one(Pickle::new().op(b"}"), "W").op(b"s").stop();
    let bytes = zip(&[
        ("m/byteorder", b"big", false),
        ("m/data.pkl", &program, true),
        ("m/data/0", &2.5f32.to_be_bytes(), false),
    ]);
    assert_eq!(decoded(&bytes)[0].1.values[[0]], 2.5);
}

#[test]
fn a_pickle_that_is_more_than_data_is_refused() {
    let one = |it: Pickle| it.text("W").tensor("FloatStorage", "0", 1, (0, &[1], &[1]));
    for (program, why) in [
        (
            Pickle::new()
                .op(b"}")
                .text("W")
                .name("posix", "system")
                .op(b"(")
                .text("true")
                .op(b"tRs"),
            "`posix.system`",
        ),
        (
            one(Pickle::new().op(b"}")).op(b"s").text("x").name("builtins", "eval").op(b"s"),
            "`builtins.eval`",
        ),
        (Pickle::new().op(b"}").text("os").text("system").op(b"\x93s"), "`os.system`"),
        (Pickle::new().op(b"iposix\nsystem\n"), "instruction 0x69"),
        (Pickle::new().op(b"}").op(b"\x82\x01"), "instruction 0x82"),
        (Pickle::new().op(b"I1\n"), "instruction 0x49"),
        (Pickle::new().op(b"}h\x07"), "never filled"),
        (Pickle::new().op(b"u"), "no mark"),
        (Pickle::new().op(b"R"), "an empty stack"),
        (Pickle::new().int(1).op(b")R"), "a call of what is no function"),
        (Pickle::new().op(b"X\xff\xff\xff\x7fabc"), "the end of the program"),
        (Pickle::new().op(b"(tQ"), "a reference that is no storage"),
        (
            Pickle::new().name("torch._utils", "_rebuild_tensor_v2").op(b")R"),
            "a tensor that is none",
        ),
        (Pickle::new().op(b"}"), "holds no arrays by name"),
    ] {
        let error = read(&torch(&program.stop(), &[("0", &[0; 4])])).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
}

#[test]
fn tensors_larger_than_their_elements_take_no_memory() {
    let huge = i64::MAX / 16;
    for (count, view) in [
        (1, (0, &[huge][..], &[0][..])),
        (1, (0, &[1 << 20, 1 << 12][..], &[0, 0][..])),
        (4, (0, &[5], &[1])),
        (4, (1, &[4], &[1])),
        (4, (0, &[2, 2], &[3, 2])),
        (4, (huge, &[1], &[1])),
        (4, (0, &[2], &[huge])),
        (4, (-1, &[1], &[1])),
        (4, (0, &[-1], &[1])),
        (4, (0, &[1], &[-1])),
        (4, (0, &[1, 1, 1, 1, 1, 1, 1, 1, 1], &[1, 1, 1, 1, 1, 1, 1, 1, 1])),
        (4, (0, &[2], &[1, 1])),
    ] {
        let program = Pickle::new().op(b"}").text("W").tensor("FloatStorage", "0", count, view);
        let bytes = torch(&program.op(b"s").stop(), &[("0", &[0; 16])]);
        let (result, memory) = measured(|| read(&bytes).map(|it| it[0].1.tensor().is_ok()));
        assert!(result.is_err(), "{view:?}");
        assert!(memory.peak < 1 << 16, "{view:?} took {memory:?}");
    }
    // A long repetition of one element is refused, a short one is not.
    let program = Pickle::new().op(b"}").text("W").tensor("FloatStorage", "9", 1, (0, &[1], &[1]));
    let error = read(&torch(&program.op(b"s").stop(), &[])).unwrap_err().to_string();
    assert!(error.contains("tensor `W`: its elements, `data/9`, are missing"), "{error}");
}

/// Values within values within values, and one within itself: the stack of the process is none of their business.
#[test]
fn deep_and_circular_pickles_do_no_harm() {
    let deep = Pickle::new().op(b")").op(&vec![0x85; 1_000_000]).stop();
    assert!(read(&torch(&deep, &[])).is_err());
    let circle = Pickle::new().op(b"}q\0").text("state_dict").op(b"h\0s").stop();
    assert!(read(&torch(&circle, &[])).is_err());
    let dicts = Pickle::new().op(&b"}".repeat(500_000)).op(&b"K\x01".repeat(10)).stop();
    assert!(read(&torch(&dicts, &[])).is_err());
}

#[test]
fn a_damaged_archive_is_an_error_or_arrays_and_takes_little_memory() {
    let program =
        Pickle::new().op(b"}").text("W").tensor("FloatStorage", "0", 4, (0, &[2, 2], &[1, 2]));
    let npy = write_npy(&arr1(&[1.0, 2.0]).into_dyn().view());
    let files = [
        torch(&program.op(b"s").stop(), &[("0", &[7; 16])]),
        zip(&[("a.npy", &npy, false), ("b.npy", &npy, true)]),
    ];
    for sound in files {
        let check = |bytes: &[u8]| {
            let (_, memory) = measured(|| {
                let named = read(bytes).unwrap_or_default();
                named.iter().filter(|it| it.1.tensor().is_ok()).count()
            });
            assert!(memory.peak < 1 << 20, "{memory:?}");
        };
        for length in 0..sound.len() {
            check(&sound[..length]);
        }
        let mut bytes = sound.clone();
        for at in 0..sound.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, sound[at] ^ 1, sound[at].wrapping_add(1)] {
                bytes[at] = value;
                check(&bytes);
            }
            bytes[at] = sound[at];
        }
    }
    let mut damaged = zip(&[("a.npy", &npy, true)]);
    damaged[40] ^= 0x55;
    assert!(read(&damaged).is_err(), "the checksum of what was packed is looked at");
}

#[test]
fn shards_are_read_together() {
    let folder = tempfile::tempdir().unwrap();
    let tensors = |name: &str, value: f32| {
        let array = ArrayD::from_elem(IxDyn(&[1]), value);
        write_safetensors(&[(name.to_owned(), array)], &Default::default()).unwrap()
    };
    std::fs::write(folder.path().join("m-1.safetensors"), tensors("a", 1.0)).unwrap();
    std::fs::write(folder.path().join("m-2.safetensors"), tensors("b", 2.0)).unwrap();
    let list = folder.path().join("m.safetensors.index.json");
    let read = |text: &str| {
        std::fs::write(&list, text).unwrap();
        read_weights::<DataError>(&list, &mut |path| rnnc::data::read_file(path))
    };
    let named =
        read(r#"{"metadata": {}, "weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#);
    let named = named.unwrap();
    assert_eq!(named.iter().map(|it| &*it.0).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(named[1].1.tensor().unwrap().values[[0]], 2.0);
    for (text, why) in [
        (r#"{"weight_map": {"a": "../m-1.safetensors"}}"#, "no name of a file beside it"),
        (r#"{"weight_map": {"a": "/etc/passwd"}}"#, "no name of a file beside it"),
        (r#"{"weight_map": {"a": 1}}"#, "no name of a file beside it"),
        (r#"{"weight_map": {"a": "gone.safetensors"}}"#, "no such file"),
        (r#"{"tensors": {}}"#, "no `weight_map`"),
        (r#"{"weight_map""#, "not a sound list of shards"),
    ] {
        let error = read(text).expect_err(why).to_string();
        assert!(error.contains(why), "{why}: {error}");
    }
    std::fs::write(folder.path().join("m-2.safetensors"), tensors("a", 2.0)).unwrap();
    let text = r#"{"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}"#;
    assert!(read(text).unwrap_err().to_string().contains("have `a` twice"));
}

#[test]
fn kinds_that_are_not_read_say_what_they_are_and_how_to_convert_them() {
    let tar = [&[b'x'; 257][..], b"ustar", &[0; 300]].concat();
    let keras = zip(&[("metadata.json", b"{}", false), ("model.weights.h5", b"", false)]);
    for (name, bytes, what) in [
        ("m.h5", &b"\x89HDF\r\n\x1a\n\0\0\0\0"[..], "an HDF5 file"),
        ("renamed.safetensors", b"\x89HDF\r\n\x1a\n\0\0\0\0", "an HDF5 file"),
        ("m.keras", &keras, "a Keras model"),
        (
            "m.pt",
            b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
            "before PyTorch 1.6",
        ),
        ("m.pkl", b"\x80\x04\x95\0\0\0\0\0\0\0\0.", "a pickle"),
        ("m.npy", b"\x93NUMPY\x01\0", "one array without a name"),
        ("m.gguf", b"GGUF\x03\0\0\0", "a GGUF file"),
        ("m.onnx", b"\x08\x07\x12\x04rnnc", "an ONNX model"),
        ("m.tflite", b"\x20\0\0\0TFL3", "TensorFlow Lite"),
        ("m.ckpt.index", b"\0\0\x06\x08\x01", "a checkpoint of TensorFlow"),
        ("m.ckpt-7.data-00000-of-00001", b"\0\x06\x08\x01", "load_checkpoint('m.ckpt-7')"),
        ("m.msgpack", b"\x81\xa6params", "a msgpack file"),
        ("m.mat", b"MATLAB 5.0 MAT-file", "a MATLAB file"),
        ("m.nemo", &tar, "a tar archive"),
    ] {
        let error = read_named(Path::new(name), bytes.to_vec()).expect_err(what).to_string();
        assert!(error.contains(what), "{name}: {error}");
        assert!(error.contains("python -c \"import") || error.contains("unpack it"), "{error}");
        assert!(error.lines().count() == 1, "{error}");
    }
    // What is converted is not written over.
    for (name, bytes, target) in [
        ("m.pt", &b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9"[..], "'m_new.pt'"),
        ("m.safetensors", b"\x89HDF\r\n\x1a\n", "'m_new.safetensors'"),
        ("m.h5", b"\x89HDF\r\n\x1a\n", "'m.safetensors'"),
    ] {
        let error = read_named(Path::new(name), bytes.to_vec()).unwrap_err().to_string();
        assert!(error.contains(target), "{error}");
    }
    for (name, text) in
        [("w.csv", "a,b\n1,2\n"), ("w.safetensors", "W = 3\n"), ("w.pt", "caf\u{e9}")]
    {
        let error = read_named(Path::new(name), text.as_bytes().to_vec()).unwrap_err().to_string();
        assert!(error.starts_with("it is a text") && error.contains("--input"), "{error}");
    }
    // A name cannot end the quotes that it is written in.
    let error = read_named(Path::new("a'; \"b.h5"), b"\x89HDF\r\n\x1a\n".to_vec()).unwrap_err();
    assert!(error.to_string().contains("h5py.File('a_; _b.h5')"), "{error}");
}

#[test]
fn a_safetensors_header_may_be_long_and_odd_types_matter_only_if_asked_for() {
    let many: Vec<(String, ArrayD<f32>)> = (0..9_500)
        .map(|it| {
            (
                format!("model.layers.{it}.with.a.long.name.as.they.have.weight"),
                ArrayD::zeros(IxDyn(&[1])),
            )
        })
        .collect();
    let bytes = write_safetensors(&many, &Default::default()).unwrap();
    assert!(u64::from_le_bytes(*bytes.first_chunk().unwrap()) > 1 << 20);
    assert_eq!(read(&bytes).unwrap().len(), 9_500);

    let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"c":{"dtype":"C64","shape":[1],"data_offsets":[4,12]},"f":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[12,15]},"z":{"dtype":"F4","shape":[2],"data_offsets":[15,16]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &[0; 16]].concat();
    let named = read(&bytes).unwrap();
    assert_eq!(named[0].1.tensor().unwrap().values.len(), 1);
    for (idx, dtype) in [(1, "C64"), (2, "F8_E4M3"), (3, "F4")] {
        let error = named[idx].1.tensor().unwrap_err().to_string();
        assert!(error.contains(&format!("`{dtype}` cannot be read")), "{error}");
    }
    // Their places are checked all the same.
    assert!(read(&[&bytes[..], &[0]].concat()).is_err());
}
