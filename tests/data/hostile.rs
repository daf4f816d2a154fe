//! Files that are cut, changed or made to do harm.

use std::collections::BTreeMap;

use ndarray::{ArrayD, IxDyn};
use rnnc::data::{
    self, DType, DataError, NpyFault, SafetensorsFault, Tensor, read_csv, read_npy,
    read_safetensors,
};
use safetensors::tensor::{Dtype, TensorView};

use crate::allocation::bounded;

/// A small sound file of each kind, by name.
fn small_npy() -> Vec<(String, Vec<u8>)> {
    let readable = |name: &String| {
        !["inexact", "object", "structure", "complex", "text", "time", "longdouble"]
            .contains(&name.as_str())
    };
    let files: Vec<_> =
        crate::npy::numpy_files().into_iter().filter(|it| readable(&it.0)).collect();
    assert_eq!(files.len(), 21);
    files
}

/// Tensors of several types, an empty one and one without axes, as the crate writes them.
fn small_safetensors() -> Vec<u8> {
    let bytes: Vec<u8> = (0..48).map(|it| it % 2).collect();
    let view = |dtype, shape: &[usize], length| {
        TensorView::new(dtype, shape.to_vec(), &bytes[..length]).expect("the length fits")
    };
    let tensors = [
        ("W", view(Dtype::F32, &[3, 4], 48)),
        ("b", view(Dtype::F64, &[2], 16)),
        ("empty", view(Dtype::F16, &[0, 2], 0)),
        ("half", view(Dtype::BF16, &[3], 6)),
        ("n", view(Dtype::I64, &[], 8)),
        ("mask", view(Dtype::BOOL, &[2, 2], 4)),
    ];
    let remark = [("made".to_owned(), "by the crate".to_owned())].into_iter().collect();
    safetensors::serialize(tensors, Some(remark)).expect("sound tensors")
}

/// What every array that comes out of a reader must fulfil.
fn assert_sound(tensor: &Tensor, length: usize) {
    assert_eq!(tensor.values.shape(), tensor.shape);
    assert!(tensor.values.is_standard_layout());
    assert!(tensor.values.len() * tensor.dtype.size() <= length);
}

/// The file with every byte changed to every other, and the file cut at every length.
fn damaged(sound: &[u8], mut read: impl FnMut(&[u8], &str)) {
    for length in 0..sound.len() {
        read(&sound[..length], &format!("cut at {length}"));
    }
    let mut bytes = sound.to_vec();
    for at in 0..sound.len() {
        for value in 0..=255 {
            bytes[at] = value;
            read(&bytes, &format!("byte {at} set to {value}"));
        }
        bytes[at] = sound[at];
    }
}

#[test]
fn a_damaged_npy_file_is_an_error_or_an_array_and_takes_little_memory() {
    for (name, sound) in small_npy() {
        damaged(&sound, |bytes, damage| {
            let what = format!("{name}, {damage}");
            match bounded(bytes.len(), &what, || read_npy(bytes)) {
                Ok(tensor) => assert_sound(&tensor, bytes.len()),
                Err(error) => assert_one_line(&error, &what),
            }
            assert!(bytes.len() == sound.len() || read_npy(bytes).is_err(), "{what}");
        });
    }
}

#[test]
fn a_damaged_safetensors_file_is_an_error_or_what_the_crate_reads_and_takes_little_memory() {
    let sound = small_safetensors();
    damaged(&sound, |bytes, damage| {
        let crate_reads = safetensors::SafeTensors::deserialize(bytes);
        match bounded(bytes.len(), damage, || read_safetensors(bytes)) {
            Ok(tensors) => {
                let crate_reads = crate_reads.expect("we read nothing that the crate refuses");
                assert_eq!(tensors.len(), crate_reads.len(), "{damage}");
                for (name, tensor) in &tensors {
                    assert_sound(tensor, bytes.len());
                    let view = crate_reads.tensor(name).expect("the same names");
                    assert_eq!(view.shape(), tensor.shape, "{damage}");
                    let name = tensor.dtype.to_string().to_ascii_uppercase();
                    assert_eq!(view.dtype().to_string(), name, "{damage}");
                }
            }
            Err(error) => {
                assert_one_line(&error, damage);
                // We may refuse more than the crate, but only for these reasons.
                assert!(crate_reads.is_err() || stricter(&error), "{damage}: {error}");
            }
        }
        assert!(bytes.len() == sound.len() || read_safetensors(bytes).is_err(), "{damage}");
    });
}

/// Whether an error is one of those that the crate does not know.
fn stricter(error: &DataError) -> bool {
    match error {
        DataError::InTensor { error, .. } => {
            matches!(
                **error,
                DataError::UnsupportedType { .. }
                    | DataError::NotABool { .. }
                    | DataError::InexactInteger { .. }
            )
        }
        // A misspelt key is unknown to us and passed over by the crate.
        DataError::Safetensors(SafetensorsFault::Header { message }) => {
            message.contains("unknown field") || message.contains("stands twice")
        }
        DataError::Safetensors(fault) => matches!(fault, SafetensorsFault::NameTwice { .. }),
        _ => false,
    }
}

fn assert_one_line(error: &DataError, what: &str) {
    let text = error.to_string();
    assert!(!text.is_empty() && !text.contains(char::is_control), "{what}: {text:?}");
    assert!(text.chars().count() < 400, "{what}: {text}");
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(u16::try_from(header.len()).expect("a short header").to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn safetensors_file(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

#[test]
fn an_npy_header_that_promises_more_than_the_file_holds_takes_no_memory() {
    for shape in [
        "(1000000,)",
        "(10000000,)",
        "(1000000000,)",
        "(1000, 1000, 1000, 1000)",
        "(1152921504606846975,)",
        "(4611686018427387904,)",
        "(9223372036854775807,)",
        "(18446744073709551615,)",
        "(18446744073709551616,)",
        "(4294967296, 4294967296)",
        "(4294967296, 4294967296, 2)",
        "(3, 6148914691236517206)",
        "(2147483648, 2147483648, 2147483648, 2147483648)",
        "(18446744073709551615, 18446744073709551615, 0)",
        "(0, 4611686018427387904, 8)",
    ] {
        for (descr, order) in [("<f8", "False"), ("|u1", "True"), (">f2", "True")] {
            let header =
                format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
            for data in [&[][..], &[0; 64]] {
                let bytes = npy(&header, data);
                let error = bounded(bytes.len(), &header, || read_npy(&bytes)).expect_err(shape);
                assert!(
                    matches!(
                        error,
                        DataError::ShapeTooLarge { .. }
                            | DataError::Npy(NpyFault::Length { .. } | NpyFault::Syntax { .. })
                    ),
                    "{header}: {error}"
                );
            }
        }
    }
}

#[test]
fn an_npy_header_of_any_announced_length_takes_no_memory() {
    for length in [0, 1, 117, 9_999, 10_000, 10_001, 1 << 20, 1 << 30, u32::MAX] {
        for version in [2, 3] {
            let mut bytes = b"\x93NUMPY".to_vec();
            bytes.extend([version, 0]);
            bytes.extend(length.to_le_bytes());
            bytes.extend([b' '; 100]);
            let error = bounded(bytes.len(), "length", || read_npy(&bytes)).expect_err("no header");
            let too_long = matches!(error, DataError::Npy(NpyFault::HeaderTooLong { .. }));
            assert_eq!(too_long, length > 10_000, "{length}: {error}");
        }
    }
}

#[test]
fn a_large_sound_npy_file_takes_no_second_copy() {
    let values = ArrayD::from_shape_fn(IxDyn(&[100, 30, 41]), |it| {
        (it[0] * 10_000 + it[1] * 100 + it[2]) as f64
    });
    let narrow = values.mapv(|it| it as f32);
    // The Fortran order of an array is the C order of the array with its axes reversed.
    let fortran = |descr: &str, reversed: Vec<u8>| {
        let header =
            format!("{{'descr': '{descr}', 'fortran_order': True, 'shape': (100, 30, 41), }}\n");
        npy(&header, &reversed[128..])
    };
    for (name, bytes) in [
        ("f8", data::write_npy(&values.view())),
        ("f4", data::write_npy(&narrow.view())),
        ("f8 Fortran", fortran("<f8", data::write_npy(&values.view().reversed_axes()))),
        ("f4 Fortran", fortran("<f4", data::write_npy(&narrow.view().reversed_axes()))),
    ] {
        let tensor = bounded(bytes.len(), name, || read_npy(&bytes)).expect(name);
        assert_eq!(tensor.values, values, "{name}");
    }
}

#[test]
fn a_safetensors_header_that_does_harm_is_refused_and_takes_little_memory() {
    let deep = format!("{{\"a\":{}", "[".repeat(900_000));
    let deep_object = "{\"a\":".repeat(180_000);
    let deep_unknown =
        format!("{{\"a\":{{\"x\":{}{}", "[".repeat(400_000), "]".repeat(400_000)) + "}}";
    let long_shape = format!(
        r#"{{"a":{{"dtype":"F32","shape":[{}],"data_offsets":[0,0]}}}}"#,
        vec!["0"; 400_000].join(",")
    );
    let long_remarks = (0..60_000).map(|it| format!("\"{it}\":\"\"")).collect::<Vec<_>>().join(",");
    let long_remarks = format!(r#"{{"__metadata__":{{{long_remarks}}}}}"#);
    let long_name = format!(r#"{{"{}":1}}"#, r"\u0041".repeat(170_000));
    let long_type = format!(
        r#"{{"a":{{"dtype":"{}","shape":[],"data_offsets":[0,0]}}}}"#,
        "\\u000a".repeat(170_000)
    );
    let many = |count: usize| {
        let entry = |it| format!(r#""{it:x}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}"#);
        format!("{{{}}}", (0..count).map(entry).collect::<Vec<_>>().join(","))
    };
    let wide = |shape: &str, to: &str| {
        format!(r#"{{"a":{{"dtype":"F64","shape":{shape},"data_offsets":[0,{to}]}}}}"#)
    };
    for header in [
        deep,
        deep_object,
        deep_unknown,
        long_shape,
        long_remarks,
        long_name,
        long_type,
        wide("[4611686018427387904]", "8"),
        wide("[4611686018427387904,4]", "0"),
        wide("[18446744073709551615,18446744073709551615]", "8"),
        wide("[0,18446744073709551615,18446744073709551615]", "0"),
        wide("[1000000000]", "8000000000"),
        wide("[1000000000]", "64"),
        wide("[8]", "18446744073709551615"),
        wide("[-1]", "64"),
        wide("[8.0]", "64"),
        wide("[1e30]", "64"),
        wide("[1,1,1,1,1,1,1,1,8]", "64"),
        wide("[]", "64"),
        wide("null", "64"),
        "{}".to_owned(),
        "[]".to_owned(),
        String::new(),
        "{\"a\":{}}".to_owned(),
        "\u{feff}{}".to_owned(),
    ] {
        let bytes = safetensors_file(&header, &[0; 64]);
        let what: String = header.chars().take(80).collect();
        let error = bounded(bytes.len(), &what, || read_safetensors(&bytes)).expect_err(&what);
        assert_one_line(&error, &what);
    }
    // As many tensors as are allowed, as small as they can be: what is returned counts too.
    let header = many(4_096);
    let bytes = safetensors_file(&header, &[]);
    let tensors = bounded(bytes.len(), "many", || read_safetensors(&bytes)).expect("it is sound");
    assert_eq!(tensors.len(), 4_096);
    // Of many tensors the names, shapes and places count, a bounded amount for each.
    for (count, sound) in [(15_000, true), ((1 << 18) + 1, false)] {
        let bytes = safetensors_file(&many(count), &[]);
        let (read, memory) = crate::allocation::measured(|| read_safetensors(&bytes));
        assert_eq!(read.is_ok(), sound, "{count}");
        assert!(memory.peak < 12 * bytes.len(), "{count}: {memory:?} of {}", bytes.len());
    }
}

#[test]
fn a_safetensors_header_of_any_announced_length_takes_no_memory() {
    for length in [0, 1, 57, 1 << 20, 100_000_000, 100_000_001, 1 << 40, u64::MAX - 7, u64::MAX] {
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend([b' '; 56]);
        let error =
            bounded(bytes.len(), "length", || read_safetensors(&bytes)).expect_err("no header");
        let too_long =
            matches!(error, DataError::Safetensors(SafetensorsFault::HeaderTooLong { .. }));
        assert_eq!(too_long, length > 100_000_000, "{length}: {error}");
    }
}

#[test]
fn a_name_that_stands_twice_is_refused() {
    let entry = |from, to| format!(r#"{{"dtype":"U8","shape":[1],"data_offsets":[{from},{to}]}}"#);
    let twice = format!(r#"{{"a":{},"b":{},"a":{}}}"#, entry(0, 1), entry(1, 2), entry(2, 3));
    let error = read_safetensors(&safetensors_file(&twice, &[1; 3])).expect_err("twice");
    assert_eq!(error.to_string(), "not a sound .safetensors file: the tensor `a` stands twice");
    // The escaped spelling is the same name.
    let twice = format!(r#"{{"a":{},"\u0061":{}}}"#, entry(0, 1), entry(1, 2));
    assert!(read_safetensors(&safetensors_file(&twice, &[1; 2])).is_err());
    let twice = r#"{"__metadata__":{"k":"1","k":"2"}}"#;
    assert!(read_safetensors(&safetensors_file(twice, &[])).is_err());
    let twice = r#"{"__metadata__":{},"__metadata__":{}}"#;
    assert!(read_safetensors(&safetensors_file(twice, &[])).is_err());
}

#[test]
fn gaps_overlaps_and_leftovers_are_refused() {
    let entry = |from, to| format!(r#"{{"dtype":"U8","shape":[2],"data_offsets":[{from},{to}]}}"#);
    for (a, b, length) in [
        (entry(0, 2), entry(3, 5), 5),
        (entry(0, 2), entry(1, 3), 3),
        (entry(0, 2), entry(0, 2), 2),
        (entry(1, 3), entry(3, 5), 5),
        (entry(0, 2), entry(2, 4), 5),
        (entry(0, 2), entry(2, 4), 3),
        (entry(0, 2), entry(4, 2), 4),
    ] {
        let header = format!(r#"{{"a":{a},"b":{b}}}"#);
        let bytes = safetensors_file(&header, &vec![0; length]);
        assert!(read_safetensors(&bytes).is_err(), "{header} with {length} bytes");
    }
    let header = format!(r#"{{"b":{},"a":{}}}"#, entry(0, 2), entry(2, 4));
    let tensors = read_safetensors(&safetensors_file(&header, &[1, 2, 3, 4])).expect("sound");
    let values: BTreeMap<_, Vec<f64>> =
        tensors.iter().map(|it| (it.0.as_str(), it.1.values.iter().copied().collect())).collect();
    assert_eq!(values, BTreeMap::from([("a", vec![3.0, 4.0]), ("b", vec![1.0, 2.0])]));
    assert_eq!(tensors[0].1.dtype, DType::U8);
}

#[test]
fn a_damaged_table_is_an_error_or_a_table() {
    let sound = b"t,\"a\"\"b\",c\r\n0,1.5,-2e-3\n1,nan,-inf\n";
    read_csv(sound).expect("it is sound");
    damaged(sound, |bytes, damage| match read_csv(bytes) {
        Ok(table) => {
            let rows = table.n_rows();
            assert!(table.columns.iter().all(|it| it.len() == rows), "{damage}");
            assert!(table.header.is_none_or(|it| it.len() == table.columns.len()), "{damage}");
        }
        Err(error) => assert_one_line(&error, damage),
    });
}
