//! Events for TensorBoard: records of protocol buffers.
//!
//! A record is its length, a checksum of that, its bytes, and a checksum of those; checksums are CRC-32C, turned and moved so
//! that one of a text which holds checksums is no accident. An event is a message with five fields that are needed here: 1 the time
//! (a double), 2 the step, 3 the version of the file, 5 a summary (whose field 1 is a value with 1 a tag and 2 a float), 7 the
//! log of the session (whose field 1 is 1 for a start).

use std::path::Path;

use super::super::DataError;
use super::files::Files;

/// A file of events.
#[derive(Debug)]
pub struct Events {
    file: std::fs::File,
    path: std::path::PathBuf,
}

impl Events {
    /// Makes a new file in a folder, at this time in seconds since 1970; it begins with a start of the session at a step where a
    /// training goes on.
    pub fn new(folder: &Path, seconds: f64, resumed: Option<u64>) -> Result<Events, DataError> {
        let process = std::process::id();
        let name = format!("events.out.tfevents.{}.{process}.rnnc", seconds as u64);
        let path = folder.join(name);
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let file = file.map_err(|source| DataError::Write { path: path.clone(), source })?;
        let mut events = Events { file, path };
        events.write(&event(seconds, 0, 3, b"brain.Event:2"))?;
        if let Some(step) = resumed {
            // SessionLog { status: START }
            events.write(&event(seconds, step, 7, &[0x08, 1]))?;
        }
        Ok(events)
    }

    /// Adds scalars of an update.
    pub fn scalars(
        &mut self,
        seconds: f64,
        step: u64,
        scalars: &[(String, f64)],
    ) -> Result<(), DataError> {
        let mut summary = Vec::new();
        for (tag, value) in scalars {
            let mut one = Vec::new();
            bytes_field(&mut one, 1, tag.as_bytes());
            one.push(2 << 3 | 5);
            one.extend_from_slice(&(*value as f32).to_le_bytes());
            bytes_field(&mut summary, 1, &one);
        }
        self.write(&event(seconds, step, 5, &summary))
    }

    fn write(&mut self, event: &[u8]) -> Result<(), DataError> {
        use std::io::Write as _;

        let written = self.file.write_all(&record(event));
        written.map_err(|source| DataError::Write { path: self.path.clone(), source })
    }

    /// Forces the file to the disk.
    pub fn sync(&self, files: &mut dyn Files) -> Result<(), DataError> {
        let path = &self.path;
        files.sync(path).map_err(|source| DataError::Write { path: path.clone(), source })
    }
}

/// Returns an event with one field that holds bytes.
fn event(seconds: f64, step: u64, field: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![1 << 3 | 1];
    bytes.extend_from_slice(&seconds.to_le_bytes());
    bytes.push(2 << 3);
    varint(&mut bytes, step);
    bytes_field(&mut bytes, field, content);
    bytes
}

fn bytes_field(bytes: &mut Vec<u8>, field: u8, content: &[u8]) {
    bytes.push(field << 3 | 2);
    varint(bytes, content.len() as u64);
    bytes.extend_from_slice(content);
}

fn varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn record(event: &[u8]) -> Vec<u8> {
    let length = (event.len() as u64).to_le_bytes();
    let mut bytes = length.to_vec();
    bytes.extend_from_slice(&masked(&length).to_le_bytes());
    bytes.extend_from_slice(event);
    bytes.extend_from_slice(&masked(event).to_le_bytes());
    bytes
}

fn masked(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes).rotate_right(15).wrapping_add(0xa282_ead8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first record of every file that TensorBoard itself writes, but for the time.
    #[test]
    fn a_file_begins_as_tensorboards_do() {
        let bytes = record(&event(0.0, 0, 3, b"brain.Event:2"));
        assert_eq!(bytes[..8], 26u64.to_le_bytes());
        assert_eq!(bytes[12..21], [0x09, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[21..23], [0x10, 0]);
        assert_eq!(&bytes[23..38], b"\x1a\x0dbrain.Event:2");
        assert_eq!(bytes.len(), 12 + 26 + 4);
        // The check value of CRC-32C, masked as the format says.
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(masked(b"123456789"), 0xe306_9283u32.rotate_right(15).wrapping_add(0xa282_ead8));
    }

    #[test]
    fn scalars_are_floats_with_tags() {
        let folder = tempfile::tempdir().unwrap();
        let mut events = Events::new(folder.path(), 5.0, Some(300)).unwrap();
        events.scalars(6.0, 300, &[("train/loss".to_owned(), 0.5)]).unwrap();
        let bytes = std::fs::read(&events.path).unwrap();
        let mut records = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let length = u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap()) as usize;
            records.push(bytes[at + 12..at + 12 + length].to_vec());
            at += 16 + length;
        }
        assert_eq!(records.len(), 3);
        // Step 300 is the varint 0xac 0x02.
        assert_eq!(records[1][9..], [0x10, 0xac, 0x02, 0x3a, 2, 0x08, 1]);
        let value = b"\x0a\x0atrain/loss\x15\x00\x00\x00\x3f";
        let mut expected =
            vec![0x10, 0xac, 0x02, 0x2a, value.len() as u8 + 2, 0x0a, value.len() as u8];
        expected.extend_from_slice(value);
        assert_eq!(records[2][9..], expected);
    }
}
