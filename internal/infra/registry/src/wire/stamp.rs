use millstream_model::HeaderSource;
use millstream_registry_rules::Stamp;

/// The header that tells a record's stamp: the writer in hexadecimal, a colon, and the token.
pub(crate) const HEADER: &str = "millstream-stamp";

pub(crate) fn stamp_text(stamp: Stamp) -> String {
    format!("{:016x}:{}", stamp.writer, stamp.token)
}

/// The stamp of a record; `None` where it has none, or none that can be read.
pub(crate) fn stamp_from(headers: &dyn HeaderSource) -> Option<Stamp> {
    let mut stamp = None;
    headers.each(&mut |name, value| {
        if name == HEADER {
            stamp = value.and_then(|value| parsed(std::str::from_utf8(value).ok()?));
        }
    });
    stamp
}

fn parsed(text: &str) -> Option<Stamp> {
    let (writer, token) = text.split_once(':')?;
    Some(Stamp { writer: u64::from_str_radix(writer, 16).ok()?, token: token.parse().ok()? })
}
