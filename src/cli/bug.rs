//! The message about a bug in rnnc itself: a few lines that help to report it.

use std::io::Write;
use std::panic::{self, PanicHookInfo};

/// The exit code of a bug, which is that of a panic in any Rust program.
pub const EXIT_CODE: u8 = 101;

/// Prints a short report in place of the standard message and its trace.
pub fn install() {
    panic::set_hook(Box::new(|info| {
        // When standard error is gone there is nobody to tell.
        let _ = std::io::stderr().lock().write_all(report(info).as_bytes());
    }));
}

fn report(info: &PanicHookInfo<'_>) -> String {
    let payload = info.payload();
    let text = payload.downcast_ref::<&str>().map(|it| (*it).to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    let place = info.location().map_or("an unknown place".to_owned(), |it| it.to_string());
    message(text.as_deref().unwrap_or("no message"), &place)
}

fn message(text: &str, place: &str) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    format!(
        "error: this is a bug in rnnc, not in your spec or data\n\
         \x20 {text}\n\
         \x20 at {place}, rnnc {version}, {os} {arch}\n\
         Please report it with these lines, the command and the files that it read.\n"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn a_panic_becomes_a_report_with_its_place() {
        static SEEN: Mutex<String> = Mutex::new(String::new());
        let before = panic::take_hook();
        panic::set_hook(Box::new(|info| *SEEN.lock().unwrap() = report(info)));
        let caught = std::thread::spawn(|| panic!("the answer is {}", 42)).join();
        panic::set_hook(before);
        assert!(caught.is_err());
        let seen = SEEN.lock().unwrap();
        assert!(seen.contains("a bug in rnnc"), "{seen}");
        assert!(seen.contains("the answer is 42"), "{seen}");
        assert!(seen.contains(file!()), "{seen}");
    }
}
