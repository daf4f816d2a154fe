//! How far a long command is: a line on a terminal that is written over.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use super::context::Context;

/// A command that takes less time says nothing.
const SILENT: Duration = Duration::from_secs(1);

/// The line is written anew when it has stood for so long.
const STANDS: Duration = Duration::from_millis(200);

/// The line, which is gone once the value is dropped.
pub struct Progress {
    is_shown: bool,
    started: Instant,
    last: Option<Duration>,
}

impl Progress {
    /// Shows nothing with `--quiet`, and nothing where standard error is no terminal.
    pub fn new(ctx: &Context) -> Progress {
        let is_shown = !ctx.is_quiet() && io::stderr().is_terminal();
        Progress { is_shown, started: Instant::now(), last: None }
    }

    /// Says how far the command is.
    pub fn tell(&mut self, text: &str) {
        if self.is_shown && self.is_due(self.started.elapsed()) {
            // Who cannot read this misses nothing.
            let _ = write!(io::stderr(), "\r{text}\x1b[K");
        }
    }

    /// Whether a line is to be written at this time after the start.
    fn is_due(&mut self, now: Duration) -> bool {
        let due = self.last.map_or(SILENT, |it| it + STANDS);
        if now >= due {
            self.last = Some(now);
        }
        now >= due
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.last.is_some() {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_after_a_second_and_not_too_often() {
        let mut progress = Progress { is_shown: false, started: Instant::now(), last: None };
        let due = [0, 999, 1000, 1100, 1200, 1350, 1400];
        let due = due.map(|it| progress.is_due(Duration::from_millis(it)));
        assert_eq!(due, [false, false, true, false, true, false, true]);
    }
}
