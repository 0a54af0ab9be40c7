//! The Confluent wire format's frame around an Avro datum.

use millstream_ports::CodecError;

/// The first byte of a framed record.
const MAGIC: u8 = 0;

/// Takes the Confluent frame off: a zero byte and the writer's schema id in four big-endian bytes.
///
/// # Errors
/// When the bytes are too short, or begin with another byte.
pub fn open(bytes: &[u8]) -> Result<(u32, &[u8]), CodecError> {
    match bytes.split_first_chunk::<5>() {
        Some(([MAGIC, id @ ..], datum)) => Ok((u32::from_be_bytes(*id), datum)),
        Some(([other, ..], _)) => {
            Err(CodecError::new(format!("not Avro with a schema id: it begins with byte {other}, not 0")))
        }
        None => Err(CodecError::new(format!(
            "not Avro with a schema id: {} bytes are fewer than the 5 of its frame",
            bytes.len()
        ))),
    }
}

/// Begins a framed record.
pub fn begin(id: u32, out: &mut Vec<u8>) {
    out.push(MAGIC);
    out.extend_from_slice(&id.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_opens_to_what_was_begun() {
        let mut bytes = Vec::new();
        begin(0x0102_0304, &mut bytes);
        bytes.push(9);
        assert_eq!(bytes, [0, 1, 2, 3, 4, 9]);
        assert_eq!(open(&bytes), Ok((0x0102_0304, &[9][..])));
    }

    #[test]
    fn what_is_no_frame_is_refused_with_a_reason() {
        assert!(open(&[0, 0, 0, 1]).unwrap_err().to_string().contains("4 bytes"));
        assert!(open(b"{\"a\":1}").unwrap_err().to_string().contains("byte 123"));
    }
}
