use std::cell::Cell;
use std::fs;
use std::io;
use std::path::Path;

use ndarray::arr1;

use super::super::Safetensors;
use super::*;

fn checkpoint(value: f64) -> Vec<u8> {
    let tensors = vec![("W".to_owned(), arr1(&[value; 50]).into_dyn())];
    seal(&tensors, &[("step".to_owned(), value.to_string())].into()).unwrap()
}

fn value(content: &Safetensors) -> f64 {
    content.tensors[0].1.values[[0]]
}

/// The disk, where the operation of this number fails; a write that fails has written a half.
struct Failing {
    disk: Disk,
    left: Cell<usize>,
}

impl Failing {
    fn fails(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.wrapping_sub(1));
        left == 0
    }

    fn or<T>(&self, done: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        if self.fails() { Err(io::ErrorKind::StorageFull.into()) } else { done() }
    }
}

impl Files for Failing {
    fn write(&mut self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if self.fails() {
            self.disk.write(path, &bytes[..bytes.len() / 2])?;
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.disk.write(path, bytes)
    }

    fn sync(&mut self, path: &Path) -> io::Result<()> {
        self.or(|| Disk.sync(path))
    }

    fn sync_folder(&mut self, path: &Path) -> io::Result<()> {
        self.or(|| Disk.sync_folder(path))
    }

    fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        self.or(|| Disk.rename(from, to))
    }

    fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.or(|| Disk.remove(path))
    }
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("checkpoints")).unwrap();
    folder
}

/// Whichever operation fails, the newest whole checkpoint is the old one or the new one, and nothing else is left.
#[test]
fn a_failed_operation_leaves_the_old_or_the_new_checkpoint() {
    let mut failed = 0;
    for number in 0.. {
        let folder = folder();
        let run = folder.path();
        fs::write(run.join("metrics.jsonl"), "{\"step\":1}\n").unwrap();
        save(&mut Disk, run, 1, &checkpoint(1.0), 1).unwrap();
        let mut files = Failing { disk: Disk, left: Cell::new(number) };
        let done = save(&mut files, run, 2, &checkpoint(2.0), 1);
        let (found, bad) = newest(run);
        let found = found.unwrap();
        assert!(bad.is_empty(), "{number}: {bad:?}");
        assert_eq!(value(&found.content), found.step as f64);
        let temporary = fs::read_dir(run.join("checkpoints")).unwrap();
        let left: Vec<_> = temporary.map(|it| it.unwrap().file_name()).collect();
        assert!(left.iter().all(|it| it.to_str().unwrap().starts_with("step-")), "{left:?}");
        if let Err(error) = done {
            failed += 1;
            assert!(error.is_io() && error.to_string().contains("step-0000000"), "{error}");
            // Before the new name is there, the old checkpoint is the one.
            assert_eq!(found.step, if number < 4 { 1 } else { 2 }, "{number}");
            continue;
        }
        assert_eq!((found.step, left.len()), (2, 1));
        break;
    }
    // The six steps of the protocol.
    assert_eq!(failed, 6);
}

#[test]
fn a_damaged_checkpoint_is_passed_over_and_named() {
    let folder = folder();
    let run = folder.path();
    for step in [1, 2, 3] {
        save(&mut Disk, run, step, &checkpoint(step as f64), 3).unwrap();
    }
    let path = run.join("checkpoints/step-00000003.safetensors");
    let sound = fs::read(&path).unwrap();
    let mut damaged = vec![sound[..sound.len() - 1].to_vec(), Vec::new()];
    let mut flipped = sound.clone();
    *flipped.last_mut().unwrap() ^= 1;
    damaged.push(flipped);
    for bytes in damaged {
        fs::write(&path, bytes).unwrap();
        let (found, bad) = newest(run);
        assert_eq!((found.unwrap().step, bad.len()), (2, 1));
        assert_eq!(bad[0].0, path);
    }
    assert_eq!(newest(&run.join("nowhere")).0.map(|it| it.step), None);
}

#[test]
fn the_newest_are_kept_and_the_best_is_beside_them() {
    let folder = folder();
    let run = folder.path();
    for step in 1..=5 {
        save(&mut Disk, run, step * 100, &checkpoint(step as f64), 2).unwrap();
    }
    assert_eq!(list(run).iter().map(|it| it.0).collect::<Vec<_>>(), [400, 500]);
    save_best(&mut Disk, run, &checkpoint(3.0)).unwrap();
    assert_eq!(value(&read(&run.join("best.safetensors")).unwrap().1), 3.0);
    fs::write(run.join(".tmp-1"), "").unwrap();
    fs::write(run.join(".config.ron.tmp.5.0"), "").unwrap();
    fs::write(run.join("checkpoints/.tmp-2"), "").unwrap();
    sweep(run);
    assert_eq!(fs::read_dir(run.join("checkpoints")).unwrap().count(), 2);
    assert_eq!(fs::read_dir(run).unwrap().count(), 2);
}

#[test]
fn a_log_is_cut_to_an_update() {
    let folder = folder();
    let path = folder.path().join("metrics.jsonl");
    assert!(cut_log(&path, 5).unwrap().is_empty());
    let mut log = Log::open(&path).unwrap();
    for step in 1..=3 {
        log.line(&format!("{{\"step\":{step},\"loss\":0.5}}")).unwrap();
    }
    log.line("{\"step\":3,\"valid_loss\":0.25}").unwrap();
    let whole = fs::read_to_string(&path).unwrap();
    assert_eq!(cut_log(&path, 3).unwrap().len(), 4);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    // A line that a kill has torn is gone, though its number would do.
    fs::write(&path, format!("{whole}{{\"step\":3,\"lo")).unwrap();
    assert_eq!(cut_log(&path, 9).unwrap().len(), 4);
    assert_eq!(fs::read_to_string(&path).unwrap(), whole);
    assert_eq!(cut_log(&path, 2).unwrap().len(), 2);
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 2);
}

#[test]
fn a_lock_is_held_once() {
    let folder = folder();
    let path = folder.path().join("lock");
    let lock = Lock::take(&path).unwrap();
    assert!(lock.is_some() && Lock::take(&path).unwrap().is_none());
    drop(lock);
    assert!(Lock::take(&path).unwrap().is_some());
}
