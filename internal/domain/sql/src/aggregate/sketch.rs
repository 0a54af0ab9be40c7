//! `COUNT_DISTINCT`: the values' hashes while they are few, and beyond that a `HyperLogLog` (Flajolet and others, 2007) of 2^14
//! registers, whose error is below one percent.

use millstream_model::Value;

use super::elements;

/// The most hashes that are kept.
const HASHES_MAX: usize = 1000;
/// The bits of a hash that choose a register.
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;

/// FNV-1a over the encoded value, with its bits then mixed as in `MurmurHash3`. It is kept in states, and so never changes.
fn hash(value: &Value) -> u64 {
    let folded = value.to_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let mixed = (folded ^ (folded >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let mixed = (mixed ^ (mixed >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    mixed ^ (mixed >> 33)
}

pub(super) fn add(state: Value, value: &Value) -> Value {
    if value.is_null() {
        return state;
    }
    add_hash(state, hash(value))
}

fn add_hash(state: Value, hash: u64) -> Value {
    if let Value::Bytes(registers) = state {
        return Value::Bytes(noted(registers, hash));
    }
    let mut hashes = elements(state);
    let entry = Value::Bigint(hash.cast_signed());
    if let Err(place) = hashes.binary_search(&entry) {
        hashes.insert(place, entry);
    }
    if hashes.len() <= HASHES_MAX {
        return Value::Array(hashes);
    }
    Value::Bytes(hashes.iter().filter_map(unsigned).fold(vec![0; REGISTERS].into(), noted))
}

fn unsigned(hash: &Value) -> Option<u64> {
    match hash {
        Value::Bigint(hash) => Some(hash.cast_unsigned()),
        _ => None,
    }
}

/// A register keeps the longest run of zeros, plus one, that begins the rest of a hash.
fn noted(mut registers: Box<[u8]>, hash: u64) -> Box<[u8]> {
    let place = usize::try_from(hash >> (u64::BITS - REGISTER_BITS)).unwrap_or(0);
    let rest = (hash << REGISTER_BITS) | (1 << (REGISTER_BITS - 1));
    let run = u8::try_from(rest.leading_zeros() + 1).unwrap_or(u8::MAX);
    if let Some(register) = registers.get_mut(place) {
        *register = run.max(*register);
    }
    registers
}

pub(super) fn merge(first: Value, second: Value) -> Value {
    match (first, second) {
        (Value::Bytes(mut registers), Value::Bytes(others)) => {
            for (register, other) in registers.iter_mut().zip(&others) {
                *register = (*register).max(*other);
            }
            Value::Bytes(registers)
        }
        (hashes @ Value::Array(_), registers @ Value::Bytes(_)) => merge(registers, hashes),
        (state, hashes) => elements(hashes).iter().filter_map(unsigned).fold(state, add_hash),
    }
}

pub(super) fn count(state: &Value) -> Value {
    match state {
        Value::Array(hashes) => Value::Bigint(i64::try_from(hashes.len()).unwrap_or(i64::MAX)),
        Value::Bytes(registers) => Value::Bigint(estimate(registers)),
        _ => Value::Bigint(0),
    }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "it is an estimate")]
fn estimate(registers: &[u8]) -> i64 {
    let size = REGISTERS as f64;
    let sum: f64 = registers.iter().map(|register| 0.5_f64.powi(i32::from(*register))).sum();
    let raw = 0.7213 / (1.0 + 1.079 / size) * size * size / sum;
    let empty = registers.iter().map(|register| usize::from(*register == 0)).sum::<usize>();
    // While many registers are empty, their number tells more.
    let few = raw <= 2.5 * size && empty > 0;
    (if few { size * (size / empty as f64).ln() } else { raw }).round() as i64
}
