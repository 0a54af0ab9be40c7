use std::hash::{Hash, Hasher};

/// How a key chooses its partition. Clients that share a topic must agree on it.
///
/// ```
/// use millstream_topology::Partitioner;
/// // Keys such as `berlin/lamp` meet by their first part.
/// let by_city = Partitioner::By(|key, count| {
///     let city = key.split(|byte| *byte == b'/').next().unwrap_or_default();
///     Partitioner::Murmur2.partition(city, count)
/// });
/// assert_eq!(by_city.partition(b"berlin/lamp", 12), by_city.partition(b"berlin/desk", 12));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub enum Partitioner {
    /// The Java clients' default, and ours.
    #[default]
    Murmur2,
    /// Goka's and sarama's default.
    Fnv1a,
    /// librdkafka's `consistent`, which the Python, Go and .NET clients use unless told otherwise.
    Crc32,
    /// A function of one's own, of the key and the number of partitions, which is never 0. What it answers is taken modulo
    /// that number, so that it may be a hash.
    By(fn(&[u8], u32) -> u32),
}

impl PartialEq for Partitioner {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::By(one), Self::By(other)) => std::ptr::fn_addr_eq(*one, *other),
            _ => std::mem::discriminant(self) == std::mem::discriminant(other),
        }
    }
}

impl Eq for Partitioner {}

impl Hash for Partitioner {
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
    }
}

impl Partitioner {
    /// The partition, below `count`, of a record with this key. 0 for a `count` of 0.
    pub fn partition(self, key: &[u8], count: u32) -> u32 {
        let hash = match self {
            _ if count == 0 => 0,
            Self::Murmur2 => murmur2(key) & 0x7fff_ffff,
            // sarama takes the hash as a signed number, and the absolute value of its remainder.
            Self::Fnv1a => fnv1a(key).cast_signed().unsigned_abs(),
            Self::Crc32 => crc32(key),
            Self::By(choose) => choose(key, count),
        };
        hash.checked_rem(count).unwrap_or(0)
    }
}

/// Murmur2 as `org.apache.kafka.common.utils.Utils.murmur2` computes it: 32 bits, seed 0x9747b28c, little-endian blocks.
fn murmur2(data: &[u8]) -> u32 {
    const M: u32 = 0x5bd1_e995;
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = 0x9747_b28c_u32 ^ length;
    let (blocks, tail) = data.as_chunks::<4>();
    for block in blocks {
        let mixed = u32::from_le_bytes(*block).wrapping_mul(M);
        hash = hash.wrapping_mul(M) ^ (mixed ^ (mixed >> 24)).wrapping_mul(M);
    }
    if !tail.is_empty() {
        let rest = tail.iter().rev().fold(0, |rest, byte| (rest << 8) | u32::from(*byte));
        hash = (hash ^ rest).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// FNV-1a, 32 bits, as Go's `hash/fnv.New32a` computes it.
fn fnv1a(data: &[u8]) -> u32 {
    data.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// CRC-32 with the reflected polynomial 0xedb88320 (IEEE 802.3), as zlib and librdkafka compute it.
fn crc32(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the reference implementations: Kafka's own unit test for murmur2, the published check values of the others.
    #[test]
    fn hashes_equal_the_reference_implementations() {
        for (key, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
        assert_eq!(fnv1a(b"foobar"), 0xbf9c_f968);
        assert_eq!(fnv1a(b""), 0x811c_9dc5);
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn a_negative_fnv_hash_goes_where_sarama_sends_it() {
        // 0xbf9cf968 is -1080231576 as a signed number.
        assert_eq!(Partitioner::Fnv1a.partition(b"foobar", 7), 1_080_231_576 % 7);
    }

    #[test]
    fn every_partition_is_in_range() {
        let own = Partitioner::By(|key, count| u32::from(key[0]) * 7 / count);
        for partitioner in [Partitioner::Murmur2, Partitioner::Fnv1a, Partitioner::Crc32, own] {
            for count in [1, 2, 7, 64] {
                for key in 0..200_u32 {
                    assert!(partitioner.partition(&key.to_le_bytes(), count) < count);
                }
            }
            assert_eq!(partitioner.partition(b"x", 0), 0);
        }
    }
}
