//! The four compressions of a batch's records, opened only where a record must be looked at.

use std::io::{self, Read, Write};

/// What one batch may grow to when it is opened.
const OPENED_MAX: u64 = 256 << 20;

/// Marks snappy in blocks as Java's clients write it.
const XERIAL: &[u8] = b"\x82SNAPPY\0";

/// Bytes of its head: the mark and two versions.
const XERIAL_HEAD: usize = 16;

fn broken(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

/// Opens a batch's records; `codec` is the number in the batch's attributes.
pub(crate) fn open(codec: i16, records: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        0 => Ok(records.to_vec()),
        1 => read(flate2::read::MultiGzDecoder::new(records)),
        2 => open_snappy(records),
        3 => read(lz4_flex::frame::FrameDecoder::new(records)),
        4 => read(zstd::stream::read::Decoder::new(records)?),
        other => Err(broken(format!("compression {other} is not known"))),
    }
}

fn read(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut opened = Vec::new();
    let length = reader.take(OPENED_MAX + 1).read_to_end(&mut opened)?;
    if length as u64 > OPENED_MAX { Err(broken("the batch is too large when opened")) } else { Ok(opened) }
}

fn open_snappy(records: &[u8]) -> io::Result<Vec<u8>> {
    if !records.starts_with(XERIAL) {
        return open_block(records);
    }
    let (mut opened, mut rest) = (Vec::new(), records.get(XERIAL_HEAD..).unwrap_or_default());
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_be_bytes(*length) as usize;
        let block = after.get(..length).ok_or_else(|| broken("a block of snappy is cut short"))?;
        opened.extend(open_block(block)?);
        rest = after.get(length..).unwrap_or_default();
        if opened.len() as u64 > OPENED_MAX {
            return Err(broken("the batch is too large when opened"));
        }
    }
    Ok(opened)
}

fn open_block(block: &[u8]) -> io::Result<Vec<u8>> {
    let length = snap::raw::decompress_len(block).map_err(broken)?;
    if length as u64 > OPENED_MAX {
        return Err(broken("the batch is too large when opened"));
    }
    snap::raw::Decoder::new().decompress_vec(block).map_err(broken)
}

/// Compresses records again, as they were.
pub(crate) fn close(codec: i16, records: &[u8]) -> io::Result<Vec<u8>> {
    match codec {
        0 => Ok(records.to_vec()),
        1 => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(records)?;
            writer.finish()
        }
        2 => {
            let block = snap::raw::Encoder::new().compress_vec(records).map_err(broken)?;
            let length = u32::try_from(block.len()).map_err(broken)?;
            let head: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1];
            Ok([XERIAL, head, &length.to_be_bytes(), &block].concat())
        }
        3 => {
            let mut writer = lz4_flex::frame::FrameEncoder::new(Vec::new());
            writer.write_all(records)?;
            writer.finish().map_err(broken)
        }
        4 => zstd::stream::encode_all(records, 0),
        other => Err(broken(format!("compression {other} is not known"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_closed_opens_to_the_same_and_damage_is_an_error() {
        let records: Vec<u8> = (0..50_000_u32).flat_map(|number| (number / 7).to_le_bytes()).collect();
        for codec in 0..=4 {
            for records in [&records[..], b"", b"x"] {
                let closed = close(codec, records).unwrap();
                assert_eq!(open(codec, &closed).unwrap(), records, "codec {codec}");
            }
            let closed = close(codec, &records).unwrap();
            if codec != 0 {
                assert!(closed.len() < records.len() / 2, "codec {codec}");
                assert_ne!(open(codec, &closed[..closed.len() / 2]).ok().as_deref(), Some(&records[..]));
            }
        }
        assert!(open(5, b"").is_err() && close(7, b"").is_err());
    }

    #[test]
    fn snappy_without_java_s_blocks_opens_too() {
        let block = snap::raw::Encoder::new().compress_vec(b"librdkafka writes it so").unwrap();
        assert_eq!(open(2, &block).unwrap(), b"librdkafka writes it so");
    }
}
