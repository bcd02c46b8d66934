//! Arrow IPC, as a file or a stream.

use std::io::Cursor;

use arrow_ipc::reader::{FileReader, StreamReader, read_footer_length};
use arrow_ipc::{root_as_footer, root_as_message};
use arrow_schema::{ArrowError, Schema as Fields};

use super::format::Batches;
use crate::dataset::unpack::Expansion;
use crate::memory;

pub fn read_file(bytes: &[u8], expansion: Expansion, choose: impl FnOnce(&Fields) -> Vec<usize>) -> Batches {
    let unpacked = unpacked_file(bytes);
    let unpacked = unpacked.ok_or_else(|| ArrowError::IpcError("its end and its blocks do not fit".into()))?;
    require(bytes, unpacked, expansion)?;
    let chosen = choose(&FileReader::try_new(Cursor::new(bytes), None)?.schema());
    FileReader::try_new(Cursor::new(bytes), Some(chosen))?.collect()
}

pub fn read_stream(bytes: &[u8], expansion: Expansion, choose: impl FnOnce(&Fields) -> Vec<usize>) -> Batches {
    let unpacked = unpacked_stream(bytes);
    let unpacked = unpacked.ok_or_else(|| ArrowError::IpcError("a message is longer than the file".into()))?;
    require(bytes, unpacked, expansion)?;
    let chosen = choose(&StreamReader::try_new(bytes, None)?.schema());
    StreamReader::try_new(bytes, Some(chosen))?.collect()
}

/// The reader allocates what a packed buffer says that it takes, and so must be kept from a damaged one.
fn require(bytes: &[u8], unpacked: u128, expansion: Expansion) -> Result<(), ArrowError> {
    expansion.check(bytes.len() as u64, unpacked).map_err(ArrowError::MemoryError)?;
    memory::require("the table", unpacked, "write it in pieces")
        .map_err(|error| ArrowError::MemoryError(error.to_string()))
}

/// What the buffers of a file say they take. `None` if its end names blocks that it does not hold.
fn unpacked_file(bytes: &[u8]) -> Option<u128> {
    let end = bytes.last_chunk::<10>()?;
    let rest = &bytes[..bytes.len() - end.len()];
    let footer = aligned(&rest[rest.len().checked_sub(read_footer_length(*end).ok()?)?..]);
    let footer = root_as_footer(&footer).ok()?;
    let blocks = footer.dictionaries().into_iter().chain(footer.recordBatches()).flatten();
    let unpacked = blocks.map(|block| {
        let size = |length: i64| usize::try_from(length).ok();
        let body = size(block.metaDataLength().into())?;
        let begin = size(block.offset())?;
        let block = bytes.get(begin..)?.get(..body.checked_add(size(block.bodyLength())?)?)?;
        Some(unpacked(&aligned(block.get(prefix(block)..)?), &block[body..])?.0)
    });
    unpacked.sum()
}

/// What the buffers of a stream say they take. `None` if a message says that it is longer than what is left: the reader allocates
/// what it says.
fn unpacked_stream(mut bytes: &[u8]) -> Option<u128> {
    let mut sum = 0;
    while let Some((prefix, rest)) = bytes.split_at_checked(prefix(bytes)) {
        let length = usize::try_from(i32::from_le_bytes(*prefix.last_chunk()?)).ok()?;
        if length == 0 {
            break;
        }
        let (metadata, body) = rest.split_at_checked(length)?;
        // The reader refuses what is no message, before it allocates anything for it.
        let Some((unpacked, length)) = unpacked(&aligned(metadata), body) else { break };
        bytes = body.get(usize::try_from(length).ok()?..)?;
        sum += unpacked;
    }
    Some(sum)
}

/// How many bytes of a message come before its metadata: their length, marked by -1 but in old files.
fn prefix(message: &[u8]) -> usize {
    if message.starts_with(&[255; 4]) { 8 } else { 4 }
}

/// As a vector of its own, because flatbuffers count from an aligned address.
fn aligned(bytes: &[u8]) -> Vec<u8> {
    bytes.to_vec()
}

/// Bytes that the packed buffers of a message say they take unpacked, and how long it says that its body is. `None` for a
/// message that the reader refuses.
fn unpacked(metadata: &[u8], body: &[u8]) -> Option<(u128, i64)> {
    let message = root_as_message(metadata).ok()?;
    let rows = message.header_as_record_batch().or_else(|| message.header_as_dictionary_batch()?.data());
    let packed = rows.filter(|rows| rows.compression().is_some()).and_then(|rows| rows.buffers());
    let counts = packed.into_iter().flatten().filter(|buffer| buffer.length() >= 8).filter_map(|buffer| {
        let count = body.get(usize::try_from(buffer.offset()).ok()?..)?.first_chunk()?;
        u128::try_from(i64::from_le_bytes(*count)).ok()
    });
    Some((counts.sum(), message.bodyLength()))
}
