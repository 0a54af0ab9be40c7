//! Composite keys: a key, then moments. Their bytes are in the order of the keys, and of the moments under one key.
//!
//! A key's bytes are kept as they are, but that zero becomes zero and 255, and two zeros end it, so that no key's entries lie
//! among another's. Moments follow, 8 bytes big-endian each, the sign bit turned.

use millstream_model::Timestamp;
use millstream_ports::KeyRange;

const END: [u8; 2] = [0, 0];
const ZERO: [u8; 2] = [0, u8::MAX];

fn prefix(key: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(key.len() + 18);
    for byte in key {
        match byte {
            0 => bytes.extend(ZERO),
            other => bytes.push(*other),
        }
    }
    bytes.extend(END);
    bytes
}

pub(super) fn composite(key: &[u8], moments: &[Timestamp]) -> Vec<u8> {
    let mut bytes = prefix(key);
    for moment in moments {
        bytes.extend((moment.0 ^ i64::MIN).to_be_bytes());
    }
    bytes
}

/// The keys whose first moment is in `from..=to`.
pub(super) fn moments(key: &[u8], from: Timestamp, to: Timestamp) -> KeyRange {
    // A moment's bytes with one byte more come after everything that begins with them, whatever follows there.
    let end = if to.0 < i64::MAX {
        Some(composite(key, &[Timestamp(to.0 + 1)]))
    } else {
        KeyRange::prefix(&prefix(key)).to().map(<[u8]>::to_vec)
    };
    KeyRange::new(composite(key, &[from]), end)
}

/// The key and the `N` moments of a composite key; `None` when it is none.
pub(super) fn parts<const N: usize>(bytes: &[u8]) -> Option<(Vec<u8>, [Timestamp; N])> {
    let (escaped, moments) = bytes.split_at_checked(bytes.len().checked_sub(8 * N)?)?;
    let escaped = escaped.strip_suffix(&END)?;
    let mut key = Vec::with_capacity(escaped.len());
    let mut rest = escaped.iter();
    while let Some(byte) = rest.next() {
        if *byte == 0 && rest.next() != Some(&u8::MAX) {
            return None;
        }
        key.push(*byte);
    }
    let mut read = [Timestamp(0); N];
    for (moment, bytes) in read.iter_mut().zip(moments.chunks_exact(8)) {
        *moment = Timestamp(i64::from_be_bytes(bytes.try_into().ok()?) ^ i64::MIN);
    }
    Some((key, read))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Vec<u8>> {
        proptest::collection::vec(prop_oneof![Just(0), Just(1), Just(254), Just(255), any::<u8>()], 0..5)
    }

    proptest! {
        #[test]
        fn the_bytes_are_in_the_order_of_what_they_stand_for(
            one in (key(), any::<i64>(), any::<i64>()),
            other in (key(), any::<i64>(), any::<i64>()),
        ) {
            let bytes = |(key, first, second): &(Vec<u8>, i64, i64)| composite(key, &[Timestamp(*first), Timestamp(*second)]);
            prop_assert_eq!(bytes(&one).cmp(&bytes(&other)), one.cmp(&other));
            let (key, [first, second]) = parts::<2>(&bytes(&one)).unwrap();
            prop_assert_eq!((key, first.0, second.0), one);
        }

        #[test]
        fn moments_of_a_key_are_its_own(
            one in (key(), prop_oneof![-3..3_i64, any::<i64>()]),
            key in key(),
            from in prop_oneof![-3..3_i64, any::<i64>()],
            to in prop_oneof![-3..3_i64, any::<i64>(), Just(i64::MAX)],
        ) {
            let is_in = one.0 == key && (from..=to).contains(&one.1);
            let bytes = composite(&one.0, &[Timestamp(one.1), Timestamp(7)]);
            prop_assert_eq!(moments(&key, Timestamp(from), Timestamp(to)).contains(&bytes), is_in);
        }
    }
}
