//! Reading and writing whole files.

use std::{fs, io, path::Path};

use rnnc::{
    data::{read_csv, read_file, write_file},
    diag::Code,
};

/// The names in a folder, hidden ones too.
fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|it| it.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_file_is_written_and_read_and_nothing_else_is_left() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("a.npy");
    for bytes in [&b"first"[..], b"", b"and a longer second"] {
        write_file(&path, bytes).expect("it can be written");
        assert_eq!(read_file(&path).expect("it can be read"), bytes);
        assert_eq!(names(folder.path()), ["a.npy"]);
    }
    let long = folder.path().join("x".repeat(255));
    write_file(&long, b"a name as long as can be").expect("it can be written");
    assert_eq!(names(folder.path()).len(), 2);
}

#[test]
fn faults_name_the_path_and_are_faults_of_input_and_output() {
    let folder = tempfile::tempdir().expect("a folder");
    let shown = folder.path().display().to_string();
    let gone = folder.path().join("gone/a.npy");
    for (error, expected) in [
        (
            read_file(folder.path()).expect_err("a folder"),
            format!("cannot read {shown}: it is a folder"),
        ),
        (
            read_file(&gone).expect_err("missing"),
            format!("cannot read {shown}/gone/a.npy: no such file or folder"),
        ),
        (
            write_file(folder.path(), b"").expect_err("a folder"),
            format!("cannot write {shown}: it is a folder"),
        ),
        (
            write_file(&gone, b"").expect_err("missing"),
            format!("cannot write {shown}/gone/a.npy: no such file or folder"),
        ),
    ] {
        assert_eq!(error.to_string(), expected);
        assert!(error.is_io() && error.io_kind().is_some());
        assert_eq!(error.code(), Code::BadFile);
        // The path stands there already.
        assert_eq!(error.in_file(Path::new("b")).to_string(), expected);
    }
    assert!(names(folder.path()).is_empty());
    let error = read_csv(b"1\nx\n").expect_err("no number").in_file(Path::new("b.csv"));
    assert_eq!(error.to_string(), "b.csv: row 2, column 1: `x` is no number");
    assert!(!error.is_io() && error.io_kind().is_none());
}

#[test]
fn a_read_only_file_is_not_replaced_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("kept");
    fs::write(&path, b"old").expect("it can be written");
    let mut permissions = fs::metadata(&path).expect("it is there").permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).expect("it is ours");
    let error = write_file(&path, b"new").expect_err("read-only");
    assert_eq!(error.to_string(), format!("cannot write {}: permission denied", path.display()));
    assert_eq!(error.io_kind(), Some(io::ErrorKind::PermissionDenied));
    assert_eq!(fs::read(&path).expect("it is there"), b"old");
    assert_eq!(names(folder.path()), ["kept"]);
}

#[test]
fn threads_that_write_the_same_file_leave_one_whole_version() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("shared");
    std::thread::scope(|scope| {
        for letter in b'a'..=b'd' {
            let path = &path;
            scope.spawn(move || {
                for _ in 0..20 {
                    write_file(path, &vec![letter; 10_000]).expect("it can be written");
                    let read = read_file(path).expect("it is always there");
                    assert!(read.len() == 10_000 && read.iter().all(|it| *it == read[0]));
                }
            });
        }
    });
    assert_eq!(names(folder.path()), ["shared"]);
}

#[cfg(unix)]
mod unix {
    use std::{
        os::unix::fs::{FileTypeExt, PermissionsExt, symlink},
        process::Command,
    };

    use super::*;

    #[test]
    fn a_link_stays_a_link_and_permissions_stay() {
        let folder = tempfile::tempdir().expect("a folder");
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::create_dir(folder.path().join("sub")).expect("ours");
        symlink("real", &link).expect("ours");
        write_file(&link, b"through a link to nothing").expect("it can be written");
        assert_eq!(fs::read(&real).expect("it is there"), b"through a link to nothing");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("ours");
        symlink("../link", folder.path().join("sub/chain")).expect("ours");
        write_file(&folder.path().join("sub/chain"), b"new").expect("it can be written");
        assert_eq!(fs::read(&real).expect("it is there"), b"new");
        assert!(fs::symlink_metadata(&link).expect("it is there").is_symlink());
        assert_eq!(fs::metadata(&real).expect("it is there").permissions().mode() & 0o777, 0o640);
        assert_eq!(names(folder.path()), ["link", "real", "sub"]);
        let ring = folder.path().join("ring");
        symlink("ring", &ring).expect("ours");
        assert!(write_file(&ring, b"").expect_err("a ring").is_io());
    }

    #[test]
    fn what_is_no_regular_file_is_written_directly() {
        write_file(Path::new("/dev/null"), b"gone").expect("it takes everything");
        let kind = fs::metadata("/dev/null").expect("it is there").file_type();
        assert!(kind.is_char_device(), "it is still a device");
        assert_eq!(read_file(Path::new("/dev/null")).expect("it is empty"), b"");

        let folder = tempfile::tempdir().expect("a folder");
        let pipe = folder.path().join("pipe");
        let made = Command::new("mkfifo").arg(&pipe).status();
        assert!(made.is_ok_and(|it| it.success()), "mkfifo is part of every unix");
        // More than a pipe holds, so that writer and reader must meet.
        let bytes: Vec<u8> = (0..200_000u32).map(|it| (it % 251) as u8).collect();
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| write_file(&pipe, &bytes));
            assert_eq!(read_file(&pipe).expect("it can be read"), bytes);
            writer.join().expect("no panic").expect("it can be written");
        });
        assert!(fs::metadata(&pipe).expect("it is there").file_type().is_fifo());
        assert_eq!(names(folder.path()), ["pipe"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_output_that_was_sent_into_a_file_goes_on_at_its_end() {
        use std::{
            io::Write,
            os::{fd::AsRawFd, unix::fs::MetadataExt},
        };

        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("output");
        // This is what the shell does for `> output`; `/dev/stdout` leads to such a name.
        let mut output = fs::File::create(&path).expect("ours");
        output.write_all(b"before, ").expect("ours");
        let link = folder.path().join("stdout");
        symlink(format!("/proc/self/fd/{}", output.as_raw_fd()), &link).expect("ours");
        write_file(&link, b"after").expect("it can be written");
        assert_eq!(fs::read(&path).expect("it is there"), b"before, after");
        let inode = |about: io::Result<fs::Metadata>| about.expect("it is there").ino();
        assert_eq!(inode(fs::metadata(&path)), inode(output.metadata()), "it is still the same");
        assert_eq!(names(folder.path()), ["output", "stdout"]);
    }
}
