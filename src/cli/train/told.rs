//! The messages of a training while it runs and at its end.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::cli::context::Context;
use crate::cli::feed::counted;
use crate::cli::output::short;

/// `summary.json`.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Summary {
    /// The version of the form.
    pub version: u32,
    /// The name of the model.
    pub model: String,
    /// The number of trained parameters.
    pub parameters: u64,
    /// The number of updates that were done.
    pub updates: u64,
    /// The number of epochs that were begun.
    pub epochs: u64,
    /// The time that it took, earlier starts included.
    pub seconds: f64,
    /// The loss of the last update.
    pub loss: Option<f64>,
    /// The loss of the last validation.
    pub valid_loss: Option<f64>,
    /// The best validation.
    pub best: Option<Best>,
    /// The reason that ended it.
    pub stopped: &'static str,
    /// The metrics of the last validation.
    pub metrics: serde_json::Map<String, serde_json::Value>,
}

/// The best validation.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Best {
    /// After which update.
    pub step: u64,
    /// Its loss.
    pub valid_loss: f64,
}

impl Summary {
    /// Returns the summary for people.
    pub fn text(&self, folder: &str, generates: bool) -> String {
        let numbers = counted(self.parameters, "parameter");
        let (updates, epochs) = (counted(self.updates, "update"), counted(self.epochs, "epoch"));
        let mut lines = vec![
            format!("{}: {numbers}", self.model),
            format!("  {updates} in {epochs}, {}", clock(self.seconds)),
        ];
        if let Some(loss) = self.loss {
            lines.push(format!("  loss        {}", short(loss)));
        }
        if let Some(loss) = self.valid_loss {
            let best = self.best.map_or(String::new(), |it| {
                format!(", best {} after update {}", short(it.valid_loss), it.step)
            });
            lines.push(format!("  valid loss  {}{best}", short(loss)));
        }
        for (name, value) in &self.metrics {
            lines.push(format!("  {name:<11} {}", short(value.as_f64().unwrap_or(f64::NAN))));
        }
        let reason = match self.stopped {
            "patience" => "no better validation came: `patience` ended it",
            "signal" => "a signal ended it",
            "not finite" => "a number that is not finite ended it",
            _ => "all is done",
        };
        lines.push(format!("  {reason}"));
        lines.push("next".to_owned());
        // Without held-out data the run has only what it was trained on.
        let part = if self.valid_loss.is_some() { "" } else { " --part train" };
        lines.push(format!("  rnnc eval {folder}{part}"));
        lines.push(format!("  rnnc predict {folder}{part} -o predicted.npy"));
        if generates {
            lines.push(format!("  rnnc generate {folder} --steps 200"));
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// Returns a time as people write it.
pub fn clock(seconds: f64) -> String {
    let all = seconds.max(0.0).round() as u64;
    match (all / 3600, all / 60 % 60, all % 60) {
        (0, minutes, seconds) => format!("{minutes}:{seconds:02}"),
        (hours, minutes, seconds) => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// The progress of a training.
#[derive(Clone, Copy, Default, Debug)]
pub struct State {
    /// The epoch.
    pub epoch: u64,
    /// The number of epochs, if that is what ends it.
    pub epochs: Option<u64>,
    /// Updates done.
    pub step: u64,
    /// Updates in all.
    pub updates: u64,
    /// The last loss.
    pub loss: f64,
    /// The last loss of a validation.
    pub valid: Option<f64>,
}

impl State {
    /// Returns one line, with the speed and the time left where they are known.
    fn line(&self, speed: Option<(f64, f64)>) -> String {
        let epochs = self.epochs.map_or(String::new(), |it| format!("/{it}"));
        let mut line = format!(
            "epoch {}{epochs}  {}/{}  loss {}",
            self.epoch,
            self.step,
            self.updates,
            short(self.loss)
        );
        if let Some(valid) = self.valid {
            line.push_str(&format!("  valid {}", short(valid)));
        }
        if let Some((steps, left)) = speed {
            line.push_str(&format!("  {} steps/s  {} left", thousands(steps), clock(left)));
        }
        line
    }
}

fn thousands(number: f64) -> String {
    match number {
        it if it >= 1e6 => format!("{:.1}M", it / 1e6),
        it if it >= 1e3 => format!("{:.1}k", it / 1e3),
        it => format!("{it:.0}"),
    }
}

/// The line on a terminal is written anew when it has been there for so long.
const REDRAWN: Duration = Duration::from_millis(100);

/// Tells on standard error how far a training is.
pub struct Display {
    is_shown: bool,
    on_terminal: bool,
    started: Instant,
    /// Updates and steps of sequences since the start of this process.
    updates: u64,
    steps: u64,
    last: Option<Instant>,
}

impl Display {
    /// Shows nothing with `--quiet`.
    pub fn new(ctx: &Context) -> Display {
        Display {
            is_shown: !ctx.is_quiet(),
            on_terminal: io::stderr().is_terminal(),
            started: Instant::now(),
            updates: 0,
            steps: 0,
            last: None,
        }
    }

    /// An update is done that read so many steps.
    pub fn update(&mut self, state: &State, steps: usize) {
        self.updates += 1;
        self.steps += steps as u64;
        if self.is_shown && self.on_terminal && self.last.is_none_or(|it| it.elapsed() >= REDRAWN) {
            self.last = Some(Instant::now());
            let line: String = state.line(self.speed(state)).chars().take(width()).collect();
            // Who cannot read this misses nothing.
            let _ = write!(io::stderr(), "\r{line}\x1b[K");
        }
    }

    /// A validation or an epoch is over: a line that stays.
    pub fn line(&mut self, state: &State) {
        if !self.is_shown {
            return;
        }
        let line = state.line(self.speed(state));
        let (before, after) = if self.on_terminal { ("\r", "\x1b[K") } else { ("", "") };
        let line: String =
            if self.on_terminal { line.chars().take(width()).collect() } else { line };
        let _ = writeln!(io::stderr(), "{before}{line}{after}");
        self.last = None;
    }

    /// Leaves the last line where it is.
    pub fn end(&mut self) {
        if self.last.take().is_some() {
            let _ = writeln!(io::stderr());
        }
    }

    fn speed(&self, state: &State) -> Option<(f64, f64)> {
        let seconds = self.started.elapsed().as_secs_f64();
        if self.updates == 0 || seconds <= 0.0 {
            return None;
        }
        let left = state.updates.saturating_sub(state.step) as f64;
        Some((self.steps as f64 / seconds, left * seconds / self.updates as f64))
    }
}

/// Returns the number of characters of a line of the terminal.
fn width() -> usize {
    terminal_size::terminal_size().map_or(80, |it| usize::from(it.0.0)).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_how_far_it_is() {
        let state = State {
            epoch: 3,
            epochs: Some(10),
            step: 1240,
            updates: 4000,
            loss: 1.432,
            valid: Some(1.501),
        };
        assert_eq!(
            state.line(Some((18_200.0, 42.0))),
            "epoch 3/10  1240/4000  loss 1.43200  valid 1.50100  18.2k steps/s  0:42 left"
        );
        let first = State { epoch: 1, updates: 9, loss: 2.0, ..State::default() };
        assert_eq!(first.line(None), "epoch 1  0/9  loss 2.00000");
        assert_eq!((clock(3723.4), clock(59.6)), ("1:02:03".to_owned(), "1:00".to_owned()));
    }
}
