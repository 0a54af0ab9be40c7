use millstream_model::{Value, decode_value};

use crate::shared::numbered;

/// The key of an entry of a rule's state, as far as it can be told to people.
///
/// Source: `ops.rs` of `millstream-sql`, which writes it: a letter for what is kept, the step's number, and whose it is.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptKey {
    /// The number of the rule among those that share its group; `None` for a rule by itself. [`crate::RuleWatch::numbered`]
    /// knows its name.
    pub rule: Option<u32>,
    /// What is kept, in a word.
    pub what: &'static str,
    /// The number of the step that keeps it.
    pub step: u16,
    /// Whose it is: a group's or a join's key, and where a window is kept, its bounds.
    pub of: Vec<Value>,
}

impl KeptKey {
    /// Reads a key; `None` for what a step keeps for itself, such as what waits for its time.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (rule, bytes) = numbered(bytes).map_or((None, bytes), |(rule, own)| (Some(rule), own));
        let (kind, rest) = bytes.split_first()?;
        let (step, rest) = rest.split_first_chunk::<2>()?;
        let what = match kind {
            b'a' => "aggregate",
            b'w' => "windows",
            b'r' => "right row",
            b'l' => "left row",
            b't' => "time",
            _ => return None,
        };
        let of = match *kind {
            b't' => Vec::new(),
            _ => match decode_value(rest).ok()? {
                Value::Struct(of) => of,
                other => vec![other],
            },
        };
        Some(Self { rule, what, step: u16::from_be_bytes(*step), of })
    }
}

/// Reads a value of a rule's state; `None` where it is none.
pub fn kept_value(bytes: &[u8]) -> Option<Value> {
    decode_value(bytes).ok()
}

#[cfg(test)]
mod tests {
    use millstream_model::encode_value;

    use super::*;

    fn key(head: &[u8], of: &Value) -> Vec<u8> {
        let mut bytes = head.to_vec();
        encode_value(of, &mut bytes);
        bytes
    }

    #[test]
    fn keys_are_told_by_what_they_keep() {
        let of = vec![Value::text("lamp"), Value::Bigint(7)];
        let read = KeptKey::read(&key(b"a\x00\x03", &Value::Struct(of.clone())));
        assert_eq!(read, Some(KeptKey { rule: None, what: "aggregate", step: 3, of }));
        let time = KeptKey::read(b"t\x01\x00");
        assert_eq!(time, Some(KeptKey { rule: None, what: "time", step: 256, of: Vec::new() }));
    }

    #[test]
    fn keys_of_a_group_are_told_by_their_rule_too() {
        let read = KeptKey::read(&key(b"#\0\0\x01\x02w\x00\x01", &Value::Int(4)));
        assert_eq!(
            read,
            Some(KeptKey { rule: Some(258), what: "windows", step: 1, of: vec![Value::Int(4)] })
        );
    }

    #[test]
    fn what_is_nobodys_is_not_told() {
        for bytes in [
            &b""[..],
            b"a",
            b"a\0",
            b"a\0\x01nonsense",
            b"q\x01anything",
            b"\0millstream/x",
            b"#\0\0\0\x01",
            b"#\0",
        ] {
            assert_eq!(KeptKey::read(bytes), None, "{bytes:?}");
        }
        assert_eq!(kept_value(b"\xff\xff"), None);
    }
}
