//! Zip files, as NumPy and PyTorch write them: members that are stored or deflated, with 64-bit sizes where they are needed.
//!
//! What is read is the list at the end of the file, which names every member; nothing is unpacked before it is asked for. A
//! stored member is a piece of the file and is lent as it is, so that tensors are read without a copy of them.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{
    DecompressorOxide, decompress, inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF,
};

use super::{ArchiveFault, DataError};

/// Deflate makes at most this many bytes of one.
const MAX_RATIO: usize = 1032;

/// A member of an archive.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub name: String,
    /// The range of its bytes in the file.
    pub range: std::ops::Range<usize>,
    /// The size when it is unpacked; a member that is stored has as many bytes in the file.
    pub size: usize,
    pub deflated: bool,
    checksum: u32,
}

const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR: &[u8] = b"PK\x06\x07";
const ENTRY: &[u8] = b"PK\x01\x02";
const LOCAL: &[u8] = b"PK\x03\x04";

/// Returns the members of a zip file, in the order of its list.
pub(super) fn members(bytes: &[u8]) -> Result<Vec<Member>, DataError> {
    parse(bytes).map_err(|message| ArchiveFault::Zip { message }.into())
}

fn parse(bytes: &[u8]) -> Result<Vec<Member>, &'static str> {
    const CUT: &str = "it has no list of members at its end; it was cut off";
    // A remark of at most 65535 bytes may follow the end of the list.
    let from = bytes.len().saturating_sub(22 + 0xffff);
    let tail = &bytes[from..];
    let end = tail.windows(4).rposition(|it| it == END).ok_or(CUT)? + from;
    let mut count = u64::from(u16_at(bytes, end + 10).ok_or(CUT)?);
    let mut at = u64::from(u32_at(bytes, end + 16).ok_or(CUT)?);
    if let Some(locator) = end.checked_sub(20)
        && bytes[locator..].starts_with(LOCATOR)
    {
        let record = place(u64_at(bytes, locator + 8)).ok_or(CUT)?;
        if !bytes.get(record..).is_some_and(|it| it.starts_with(END_64)) {
            return Err(CUT);
        }
        count = u64_at(bytes, record + 32).ok_or(CUT)?;
        at = u64_at(bytes, record + 48).ok_or(CUT)?;
    }
    let mut at = place(Some(at)).ok_or(CUT)?;
    let mut members = Vec::new();
    for _ in 0..count {
        // Each member takes bytes of the list, so a count that is too large ends here.
        let entry = bytes.get(at..).filter(|it| it.starts_with(ENTRY));
        let entry = entry.ok_or("its list of members is damaged")?;
        let (member, length) = member(bytes, entry).ok_or("its list of members is damaged")??;
        members.push(member);
        at += length;
    }
    Ok(members)
}

/// Returns one line of the list, and how long it is.
fn member(bytes: &[u8], entry: &[u8]) -> Option<Result<(Member, usize), &'static str>> {
    let (flags, method) = (u16_at(entry, 8)?, u16_at(entry, 10)?);
    let checksum = u32_at(entry, 16)?;
    let mut packed = u64::from(u32_at(entry, 20)?);
    let mut size = u64::from(u32_at(entry, 24)?);
    let [name, extra, remark] = [28, 30, 32].map(|it| u16_at(entry, it).map(usize::from));
    let (name, extra, remark) = (name?, extra?, remark?);
    let mut local = u64::from(u32_at(entry, 42)?);
    let text = String::from_utf8_lossy(entry.get(46..46 + name)?).into_owned();
    // Sizes that do not fit in 32 bits follow in an extra field, in this order.
    let mut fields = entry.get(46 + name..46 + name + extra)?;
    while let (Some(kind), Some(length)) = (u16_at(fields, 0), u16_at(fields, 2)) {
        let field = fields.get(4..4 + usize::from(length))?;
        if kind == 1 {
            let mut numbers = field.chunks_exact(8).map(|it| u64_at(it, 0));
            for value in [&mut size, &mut packed, &mut local] {
                if *value == u64::from(u32::MAX) {
                    *value = numbers.next()??;
                }
            }
        }
        fields = fields.get(4 + usize::from(length)..)?;
    }
    let length = 46 + name + extra + remark;
    if flags & 1 != 0 {
        return Some(Err("it is encrypted"));
    }
    let deflated = match method {
        0 => false,
        8 => true,
        _ => return Some(Err("a member is packed in another way than by deflate")),
    };
    let head = place(Some(local))?;
    let here = bytes.get(head..).filter(|it| it.starts_with(LOCAL))?;
    let (name, extra) = (usize::from(u16_at(here, 26)?), usize::from(u16_at(here, 28)?));
    let start = head.checked_add(30 + name + extra)?;
    let range = start..start.checked_add(place(Some(packed))?)?;
    bytes.get(range.clone())?;
    let size = place(Some(size))?;
    let possible = if deflated {
        size <= range.len().saturating_mul(MAX_RATIO).saturating_add(64)
    } else {
        size == range.len()
    };
    if !possible {
        return Some(Err("a member has another size than its list says"));
    }
    Some(Ok((Member { name: text, range, size, deflated, checksum }, length)))
}

impl Member {
    /// Returns the bytes of a deflated member, checked against their checksum.
    pub(super) fn unpacked(&self, bytes: &[u8]) -> Result<Vec<u8>, DataError> {
        let mut out = Vec::new();
        // `size` is bounded by the bytes that are there.
        out.try_reserve_exact(self.size)
            .map_err(|_| DataError::OutOfMemory { bytes: self.size })?;
        let packed = &bytes[self.range.clone()];
        if self.deflated {
            out.resize(self.size, 0);
            let flags = TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
            let mut state = Box::<DecompressorOxide>::default();
            let (status, _, count) = decompress(&mut state, packed, &mut out, 0, flags);
            if status != TINFLStatus::Done || count != self.size {
                return Err(ArchiveFault::Zip { message: "a member is damaged" }.into());
            }
        } else {
            out.extend_from_slice(packed);
        }
        if checksum(&out) != self.checksum {
            let message = "the checksum of a member differs; it is damaged";
            return Err(ArchiveFault::Zip { message }.into());
        }
        Ok(out)
    }
}

/// Returns the sum that zip files have for each member, CRC-32.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut idx = 0;
        while idx < 256 {
            let (mut value, mut bit) = (idx as u32, 0);
            while bit < 8 {
                value = if value & 1 == 1 { 0xedb8_8320 ^ (value >> 1) } else { value >> 1 };
                bit += 1;
            }
            table[idx] = value;
            idx += 1;
        }
        table
    };
    !bytes
        .iter()
        .fold(u32::MAX, |sum, it| TABLE[((sum ^ u32::from(*it)) & 0xff) as usize] ^ (sum >> 8))
}

fn place(offset: Option<u64>) -> Option<usize> {
    usize::try_from(offset?).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

#[cfg(test)]
mod tests {
    use super::checksum;

    #[test]
    fn the_checksum_is_that_of_its_definition() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
        assert_eq!(checksum(b""), 0);
    }
}
