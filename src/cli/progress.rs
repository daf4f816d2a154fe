//! The progress of a long command: a line on a terminal that is written over.
//!
//! A thread of its own writes it, so that it is shown while the library computes.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::columns::WIDTH;
use super::context::Context;

/// A command that takes less time says nothing.
const SILENT: Duration = Duration::from_secs(1);

/// The time after which the line is written anew.
const STANDS: Duration = Duration::from_millis(200);

/// The line, which is gone once the value is dropped. Nothing else is written while it is shown.
pub struct Progress(Option<Shown>);

struct Shown {
    line: Arc<ProgressLine>,
    writer: Option<JoinHandle<()>>,
}

/// The state that the writer shares with the command.
#[derive(Default)]
struct ProgressLine {
    told: Mutex<Told>,
    is_over: Condvar,
}

#[derive(Default)]
struct Told {
    text: String,
    is_over: bool,
}

impl ProgressLine {
    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes the line until the command is over, and takes it away then.
    fn write(&self, out: &mut dyn Write, silent: Duration, stands: Duration) {
        let started = Instant::now();
        let mut pause = silent;
        let mut is_shown = false;
        let mut told = self.lock();
        while !told.is_over {
            let waited = self.is_over.wait_timeout(told, pause);
            let (now, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            told = now;
            if timeout.timed_out() && !told.is_over {
                let text = shown(&told.text, started.elapsed());
                // Who cannot read this misses nothing.
                let _ = write!(out, "\r{text}\x1b[K").and_then(|()| out.flush());
                (is_shown, pause) = (true, stands);
            }
        }
        if is_shown {
            let _ = write!(out, "\r\x1b[K").and_then(|()| out.flush());
        }
    }
}

/// Returns a line that no terminal breaks.
fn shown(text: &str, elapsed: Duration) -> String {
    let time = format!(", {} s", elapsed.as_secs());
    let room = WIDTH - 1 - time.len();
    let text: String = match text.chars().count() > room {
        true => text.chars().take(room - 2).chain("..".chars()).collect(),
        false => text.to_owned(),
    };
    text + &time
}

impl Progress {
    /// Shows nothing with `--quiet`, and nothing where standard error is no terminal.
    pub fn new(ctx: &Context) -> Progress {
        if ctx.is_quiet() || !io::stderr().is_terminal() {
            return Progress(None);
        }
        let line = Arc::<ProgressLine>::default();
        let own = Arc::clone(&line);
        let writer = thread::Builder::new();
        let writer = writer.spawn(move || own.write(&mut io::stderr(), SILENT, STANDS)).ok();
        Progress(Some(Shown { line, writer }))
    }

    /// As [`Progress::new`], and says at once what is done.
    pub fn of(ctx: &Context, text: &str) -> Progress {
        let progress = Progress::new(ctx);
        progress.tell(text);
        progress
    }

    /// Says how far the command is.
    pub fn tell(&self, text: &str) {
        if let Some(it) = &self.0 {
            text.clone_into(&mut it.line.lock().text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        let Some(shown) = &mut self.0 else { return };
        shown.line.lock().is_over = true;
        shown.line.is_over.notify_all();
        if let Some(writer) = shown.writer.take() {
            // A writer that panicked has said so itself.
            let _ = writer.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that were written, which others may look at.
    struct Seen<'s>(&'s Mutex<Vec<u8>>);

    impl Write for Seen<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Returns the bytes that are written to the end of a command, which comes when a line was shown or at once.
    fn written(silent: Duration, waits: bool) -> String {
        let (line, out) = (ProgressLine::default(), Mutex::default());
        "half".clone_into(&mut line.lock().text);
        thread::scope(|scope| {
            scope.spawn(|| line.write(&mut Seen(&out), silent, Duration::from_secs(3600)));
            while waits && out.lock().unwrap().is_empty() {
                thread::yield_now();
            }
            line.lock().is_over = true;
            line.is_over.notify_all();
        });
        String::from_utf8(out.into_inner().unwrap()).unwrap()
    }

    #[test]
    fn a_short_command_says_nothing_and_a_line_is_taken_away() {
        assert_eq!(written(Duration::from_secs(3600), false), "");
        assert_eq!(written(Duration::ZERO, true), "\rhalf, 0 s\x1b[K\r\x1b[K");
    }

    #[test]
    fn a_line_fits_a_terminal() {
        assert_eq!(shown("forward", Duration::from_millis(2900)), "forward, 2 s");
        let long = shown(&"x".repeat(200), Duration::from_secs(100));
        assert_eq!((long.chars().count(), long.ends_with(".., 100 s")), (WIDTH - 1, true));
    }
}
