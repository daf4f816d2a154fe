//! `.safetensors`: what the crate writes is read, and what we write is what the crate writes and
//! reads.

use std::collections::BTreeMap;

use half::{bf16, f16};
use ndarray::{ArrayD, IxDyn, array};
use rnnc::data::{
    DType, DataError, SafetensorsFault, read_safetensors, read_safetensors_with_metadata,
    write_safetensors,
};
use safetensors::{
    SafeTensors,
    tensor::{Dtype, TensorView},
};

fn remarks(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn every_type_that_the_crate_writes_is_read_and_the_names_are_sorted() {
    let f16s = [1.5, -0.25, 65504.0].map(|it| f16::from_f64(it).to_le_bytes()).concat();
    let bf16s = [1.5, -0.25, 3e38].map(|it| bf16::from_f64(it).to_le_bytes()).concat();
    let f32s = [1e-3f32, f32::INFINITY].map(f32::to_le_bytes).concat();
    let f64s = [1e-3, f64::MIN_POSITIVE].map(f64::to_le_bytes).concat();
    let i64s = [-(1i64 << 53), 7].map(i64::to_le_bytes).concat();
    let u64s = [1u64 << 63].map(u64::to_le_bytes).concat();
    let i32s = [i32::MIN].map(i32::to_le_bytes).concat();
    let u32s = [u32::MAX].map(u32::to_le_bytes).concat();
    let i16s = [i16::MIN].map(i16::to_le_bytes).concat();
    let u16s = [u16::MAX].map(u16::to_le_bytes).concat();
    let bf16_big = bf16::from_f64(3e38).to_f64();
    let cases: [(Dtype, DType, &[u8], &[f64]); 13] = [
        (Dtype::F16, DType::F16, &f16s, &[1.5, -0.25, 65504.0]),
        (Dtype::BF16, DType::BF16, &bf16s, &[1.5, -0.25, bf16_big]),
        (Dtype::F32, DType::F32, &f32s, &[f64::from(1e-3f32), f64::INFINITY]),
        (Dtype::F64, DType::F64, &f64s, &[1e-3, f64::MIN_POSITIVE]),
        (Dtype::I64, DType::I64, &i64s, &[-9_007_199_254_740_992.0, 7.0]),
        (Dtype::U64, DType::U64, &u64s, &[9_223_372_036_854_775_808.0]),
        (Dtype::I32, DType::I32, &i32s, &[-2_147_483_648.0]),
        (Dtype::U32, DType::U32, &u32s, &[4_294_967_295.0]),
        (Dtype::I16, DType::I16, &i16s, &[-32_768.0]),
        (Dtype::U16, DType::U16, &u16s, &[65_535.0]),
        (Dtype::I8, DType::I8, &[0x80], &[-128.0]),
        (Dtype::U8, DType::U8, &[255], &[255.0]),
        (Dtype::BOOL, DType::Bool, &[0, 1], &[0.0, 1.0]),
    ];
    let views = cases.iter().map(|(dtype, _, bytes, values)| {
        let view = TensorView::new(*dtype, vec![1, values.len()], bytes).expect("it fits");
        (dtype.to_string(), view)
    });
    let bytes = safetensors::serialize(views, None).expect("sound tensors");
    let tensors = read_safetensors(&bytes).expect("sound tensors");
    assert!(tensors.is_sorted_by(|a, b| a.0 < b.0));
    assert_eq!(tensors.len(), cases.len());
    for (name, tensor) in tensors {
        let (_, dtype, _, values) =
            cases.iter().find(|it| it.0.to_string() == name).expect("one of ours");
        assert_eq!(tensor.dtype, *dtype);
        assert_eq!(tensor.shape, [1, values.len()]);
        assert_eq!(tensor.values.as_slice(), Some(*values), "{name}");
    }
}

#[test]
fn other_types_are_refused_with_the_name_of_the_tensor() {
    for (dtype, length) in [(Dtype::F8_E4M3, 2), (Dtype::C64, 16), (Dtype::F4, 1)] {
        let data = vec![0; length];
        let view = TensorView::new(dtype, vec![2], &data).expect("it fits");
        let bytes = safetensors::serialize([("w.x", view)], None).expect("sound");
        let text = read_safetensors(&bytes).expect_err("not read").to_string();
        let expected = format!("tensor `w.x`: elements of type `{dtype}` cannot be read; ");
        assert!(text.starts_with(&expected), "{text}");
    }
    let data = (u64::MAX - 5).to_le_bytes();
    let view = TensorView::new(Dtype::U64, vec![1, 1], &data).expect("it fits");
    let bytes = safetensors::serialize([("n", view)], None).expect("sound");
    assert_eq!(
        read_safetensors(&bytes).expect_err("inexact").to_string(),
        "tensor `n`: the element [0, 0] is 18446744073709551610, which no 64-bit float holds exactly"
    );
}

#[test]
fn what_is_written_is_byte_for_byte_what_the_crate_writes() {
    let tensors = [
        ("lstm.weight".to_owned(), array![[1.0f32, 2.0, 3.0], [-0.0, f32::NAN, 1e-30]].into_dyn()),
        ("a \"name\"\n".to_owned(), array![7.5f32].into_dyn()),
        ("b".to_owned(), ndarray::arr0(1.0f32).into_dyn()),
        ("none".to_owned(), ArrayD::zeros(IxDyn(&[0, 4]))),
    ];
    let data: Vec<Vec<u8>> =
        tensors.iter().map(|it| it.1.iter().flat_map(|it| it.to_le_bytes()).collect()).collect();
    let views = || {
        tensors.iter().zip(&data).map(|((name, array), data)| {
            let shape = array.shape().to_vec();
            (name.clone(), TensorView::new(Dtype::F32, shape, data).expect("it fits"))
        })
    };
    let none = write_safetensors(&tensors, &BTreeMap::new()).expect("sound");
    assert_eq!(none, safetensors::serialize(views(), None).expect("sound"));
    // One remark has only one order.
    let one = remarks(&[("format", "pt \"x\"")]);
    let same = one.clone().into_iter().collect();
    let written = write_safetensors(&tensors, &one).expect("sound");
    assert_eq!(written, safetensors::serialize(views(), Some(same)).expect("sound"));

    let read = SafeTensors::deserialize(&written).expect("the crate reads it");
    for ((name, array), data) in tensors.iter().zip(&data) {
        let view = read.tensor(name).expect("it is there");
        assert_eq!((view.shape(), view.data()), (array.shape(), &data[..]));
    }
    let empty: [(String, ArrayD<f64>); 0] = [];
    let written = write_safetensors(&empty, &BTreeMap::new()).expect("sound");
    assert_eq!(SafeTensors::deserialize(&written).expect("the crate reads it").len(), 0);
    assert_eq!(read_safetensors(&written).expect("we read it").len(), 0);
}

#[test]
fn the_bytes_do_not_depend_on_the_order_of_tensors_or_remarks() {
    let tensor = |name: &str, value: f64| (name.to_owned(), array![[value]].into_dyn());
    let keys: Vec<String> = (0..50).map(|it| format!("key{}", it * 37 % 50)).collect();
    let metadata: BTreeMap<_, _> = keys.iter().map(|it| (it.clone(), it.repeat(2))).collect();
    let mut tensors = [tensor("c", 1.0), tensor("a", 2.0), tensor("b", 3.0)];
    let first = write_safetensors(&tensors, &metadata).expect("sound");
    tensors.reverse();
    let second = write_safetensors(&tensors, &metadata).expect("sound");
    assert_eq!(first, second);
    assert_eq!((first.len() - 24) % 8, 0, "the data is aligned");
    let read = read_safetensors_with_metadata(&first).expect("sound");
    assert_eq!(read.metadata, metadata);
    let (_, of_crate) = SafeTensors::read_metadata(&first).expect("the crate reads it");
    let of_crate = of_crate.metadata().as_ref().expect("there are remarks");
    assert_eq!(of_crate.len(), metadata.len());
    assert!(of_crate.iter().all(|(key, value)| metadata.get(key) == Some(value)));
    let found: Vec<_> =
        read.tensors.iter().map(|it| (it.0.as_str(), it.1.values[[0, 0]])).collect();
    assert_eq!(found, [("a", 2.0), ("b", 3.0), ("c", 1.0)]);
    assert!(read.tensors.iter().all(|it| it.1.dtype == DType::F64 && it.1.shape == [1, 1]));
}

#[test]
fn a_view_with_other_strides_is_written_in_the_order_of_its_axes() {
    let turned = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]].reversed_axes().into_dyn();
    let bytes = write_safetensors(&[("w".to_owned(), turned.clone())], &BTreeMap::new());
    let read = read_safetensors(&bytes.expect("sound")).expect("just written");
    assert_eq!(read[0].1.values, turned);
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let one = |name: &str| (name.to_owned(), array![1.0f32].into_dyn());
    let fault =
        |tensors: &[(String, ArrayD<f32>)], metadata| match write_safetensors(tensors, metadata) {
            Err(DataError::Safetensors(fault)) => fault,
            other => panic!("{other:?}"),
        };
    let none = BTreeMap::new();
    let twice = SafetensorsFault::NameTwice { name: "a".to_owned() };
    assert_eq!(fault(&[one("a"), one("b"), one("a")], &none), twice);
    assert_eq!(fault(&[one("__metadata__")], &none), SafetensorsFault::ReservedName);
    let long = remarks(&[("k", &"x".repeat(100_000_000))]);
    assert!(matches!(fault(&[one("a")], &long), SafetensorsFault::HeaderTooLong { .. }));
    let many: Vec<_> = (0..=1 << 18).map(|it| one(&it.to_string())).collect();
    assert_eq!(fault(&many, &none), SafetensorsFault::TooManyTensors { limit: 1 << 18 });
    let many = (0..4_097).map(|it| (it.to_string(), String::new())).collect();
    assert!(matches!(fault(&[one("a")], &many), SafetensorsFault::Header { .. }));
    let deep = ("deep".to_owned(), ArrayD::<f32>::zeros(IxDyn(&[1; 9])));
    assert!(write_safetensors(&[deep], &none).is_err());
}
