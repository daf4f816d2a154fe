//! `.npy`: what NumPy wrote is read, and what we write is read back.

use std::{collections::BTreeMap, fs, path::Path};

use ndarray::{Array, ArrayD, IxDyn, array};
use proptest::prelude::{any, prop};
use rnnc::{
    data::{DType, Tensor, read_npy, write_npy},
    diag::Code,
};

/// The files that NumPy wrote, by name; `make.py` beside this says how.
pub fn numpy_files() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/numpy");
    let entries = fs::read_dir(folder).expect("the folder is part of the project");
    entries
        .map(|entry| {
            let path = entry.expect("a readable folder").path();
            let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
            (name, fs::read(&path).expect("a readable file"))
        })
        .collect()
}

fn tensor(dtype: DType, values: impl Into<ArrayD<f64>>) -> Tensor {
    let values = values.into();
    Tensor { shape: values.shape().to_vec(), dtype, values }
}

/// Equal to the bit, so that `nan` equals itself and `-0.0` does not equal `0.0`.
fn assert_same(found: &Tensor, expected: &Tensor, what: &str) {
    assert_eq!((&found.shape, found.dtype), (&expected.shape, expected.dtype), "{what}");
    let bits = |it: &Tensor| it.values.iter().map(|it| it.to_bits()).collect::<Vec<_>>();
    assert_eq!(bits(found), bits(expected), "{what}");
}

#[test]
fn every_file_of_numpy_reads_as_what_numpy_wrote() {
    // 1e-3 is none of the narrow floats; it becomes the nearest.
    let real = |small| array![[0.5, -1.25, 3.0], [-0.0, small, 65504.0]].into_dyn();
    let edges = || array![f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0].into_dyn();
    let f32_small = || real(f64::from(1e-3f32));
    let count = || array![[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]].into_dyn();
    let shifted = || count() - 3.0;
    let mut expected = BTreeMap::from([
        ("f2", tensor(DType::F16, real(0.001_000_404_357_910_156_2))),
        ("f4", tensor(DType::F32, f32_small())),
        ("f4_big", tensor(DType::F32, f32_small())),
        ("f4_version3", tensor(DType::F32, f32_small())),
        ("f8", tensor(DType::F64, real(1e-3))),
        ("f8_version2", tensor(DType::F64, real(1e-3))),
        ("f8_big_fortran", tensor(DType::F64, real(1e-3))),
        ("edges_f4", tensor(DType::F32, edges())),
        ("edges_f2", tensor(DType::F16, edges())),
        ("scalar", tensor(DType::F64, ndarray::arr0(2.5).into_dyn())),
        ("empty", tensor(DType::F32, ArrayD::zeros(IxDyn(&[0, 3])))),
        ("bool", tensor(DType::Bool, count() % 2.0)),
        ("i1", tensor(DType::I8, shifted())),
        ("i2", tensor(DType::I16, shifted())),
        ("i4", tensor(DType::I32, shifted())),
        ("i8", tensor(DType::I64, shifted())),
        ("u1", tensor(DType::U8, count())),
        ("u2", tensor(DType::U16, count())),
        ("u4", tensor(DType::U32, count())),
        ("u8", tensor(DType::U64, count())),
    ]);
    let cube = Array::from_iter((0..24).map(f64::from)).into_shape_with_order(IxDyn(&[2, 3, 4]));
    expected.insert("f4_fortran", tensor(DType::F32, cube.expect("24 elements")));
    let mut refused = BTreeMap::from([
        ("inexact", "the element [0, 1] is 9007199254740993, which no 64-bit float holds exactly"),
        (
            "object",
            "elements of type `|O` cannot be read; pickled objects are not supported, \
             save the array again with `.astype('float32')`",
        ),
        (
            "structure",
            "elements of type `[('a', '<f4'), ('b', '<i4')]` cannot be read; \
             save each field as an array of its own",
        ),
        (
            "complex",
            "elements of type `<c8` cannot be read; \
             save the real and the imaginary part as two arrays",
        ),
        ("text", "elements of type `<U2` cannot be read; floats, integers and truth values are"),
        ("time", "elements of type `<M8[D]` cannot be read; floats, integers and truth values are"),
        (
            "longdouble",
            "elements of type `<f16` cannot be read; floats, integers and truth values are",
        ),
    ]);
    for (name, bytes) in numpy_files() {
        match expected.remove(name.as_str()) {
            Some(expected) => {
                assert_same(&read_npy(&bytes).expect(&name), &expected, &name);
            }
            None => {
                let error = read_npy(&bytes).expect_err(&name);
                let text = refused.remove(name.as_str()).expect("every file is claimed");
                assert_eq!(error.to_string(), text, "{name}");
                assert_eq!(error.code(), Code::DataDoesNotFit, "{name}");
                assert!(!error.is_io(), "{name}");
            }
        }
    }
    assert!(expected.is_empty() && refused.is_empty(), "{expected:?} {refused:?}");
}

#[test]
fn what_is_written_is_what_numpy_writes() {
    // NumPy leaves room in the header for the first axis to grow; here both end at the same
    // boundary.
    let files = numpy_files();
    let real = array![[0.5, -1.25, 3.0], [-0.0, 1e-3, 65504.0]].into_dyn();
    assert_eq!(write_npy(&real.view()), files["f8"]);
    assert_eq!(write_npy(&real.mapv(|it| it as f32).view()), files["f4"]);
    assert_eq!(write_npy(&ndarray::arr0(2.5).into_dyn().view()), files["scalar"]);
    assert_eq!(write_npy(&ArrayD::<f32>::zeros(IxDyn(&[0, 3])).view()), files["empty"]);
}

#[test]
fn a_view_is_written_in_the_order_of_its_axes() {
    let cube = Array::from_iter((0..24).map(f64::from))
        .into_shape_with_order(IxDyn(&[2, 3, 4]))
        .expect("24 elements");
    let turned = cube.view().permuted_axes(IxDyn(&[2, 0, 1]));
    let read = read_npy(&write_npy(&turned)).expect("just written");
    assert_eq!(read.values, turned);
    assert!(read.values.is_standard_layout());
    let last = cube.slice_each_axis(|_| ndarray::Slice::new(0, None, -1));
    assert_eq!(read_npy(&write_npy(&last)).expect("just written").values, last);
}

#[test]
fn faults_name_the_place_in_the_file() {
    let sound = write_npy(&array![1.0f32, 2.0].into_dyn().view());
    let with = |at: usize, byte: u8| {
        let mut bytes = sound.clone();
        bytes[at] = byte;
        bytes
    };
    let long = [&sound[..], b"\n"].concat();
    for (bytes, expected) in [
        (&sound[..0], "it does not begin with the bytes \\x93NUMPY"),
        (b"PK\x03\x04", "it does not begin with the bytes \\x93NUMPY"),
        (&sound[..7], "the file ends at byte 7, within the header, which needs 10 bytes"),
        (&sound[..99], "the file ends at byte 99, within the header, which needs 128 bytes"),
        (&with(6, 9), "version 9.0 at byte 6; 1.0, 2.0 and 3.0 are read"),
        (&with(9, 255), "the header has 65398 bytes, more than 10000"),
        (&with(20, b'x'), "header, byte 21: expected `'descr'`"),
        (&sound[..130], "shape [2] needs 8 bytes of data from byte 128 on, and there are 2"),
        (&long, "shape [2] needs 8 bytes of data from byte 128 on, and there are 9"),
    ] {
        let error = read_npy(bytes).expect_err(expected);
        assert_eq!(error.code(), Code::BadFile);
        let text = error.to_string();
        if expected.starts_with("header") {
            assert!(text.contains("header, byte "), "{text}");
        } else {
            assert_eq!(text, format!("not a sound .npy file: {expected}"));
        }
    }
}

#[test]
fn a_truth_value_is_0_or_1() {
    let mut bytes = numpy_files()["bool"].clone();
    let last = bytes.len() - 1;
    bytes[last] = 2;
    let text = read_npy(&bytes).expect_err("2").to_string();
    assert_eq!(text, "the element [1, 2] is the byte 2, and a truth value is 0 or 1");
}

proptest::proptest! {
    #[test]
    fn writing_and_reading_is_the_identity(
        shape in prop::collection::vec(0usize..5, 0..5),
        seed in any::<u64>(),
    ) {
        let mut state = seed;
        // Any bits, so that all kinds of numbers come.
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state ^ (state >> 29)
        };
        let wide = ArrayD::from_shape_simple_fn(IxDyn(&shape), || f64::from_bits(next()));
        let read = read_npy(&write_npy(&wide.view())).expect("just written");
        assert_same(&read, &tensor(DType::F64, wide), "f64");
        let narrow = ArrayD::from_shape_simple_fn(IxDyn(&shape), || f32::from_bits(next() as u32));
        let read = read_npy(&write_npy(&narrow.view())).expect("just written");
        let expected = narrow.mapv(f64::from);
        assert_same(&read, &tensor(DType::F32, expected), "f32");
    }
}
