/// What a line typed at the prompt, or piped in, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed<'a> {
    /// To pass on only products whose name has this in it; all of them when it is empty.
    Filter(&'a str),
    /// To be told how things stand.
    Status,
    /// To be shown a product.
    Get(&'a str),
    /// To be told what can be typed.
    Help,
    /// To end.
    Quit,
    /// Something with a colon that there is not, or not in this way.
    Unknown(&'a str),
}

/// The commands, for completion.
pub(crate) const COMMANDS: [&str; 4] = [":status", ":get ", ":help", ":quit"];

impl<'a> From<&'a str> for Typed<'a> {
    fn from(line: &'a str) -> Self {
        let line = line.trim();
        let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match (command, rest.trim()) {
            (":status", "") => Self::Status,
            (":get", key) if !key.is_empty() => Self::Get(key),
            (":help" | ":h", "") => Self::Help,
            (":quit" | ":q", "") => Self::Quit,
            _ if line.starts_with(':') => Self::Unknown(line),
            _ => Self::Filter(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_begins_a_command_and_anything_else_is_the_filter() {
        for (line, typed) in [
            ("", Typed::Filter("")),
            ("  \t", Typed::Filter("")),
            (" desk lamp ", Typed::Filter("desk lamp")),
            ("a :get", Typed::Filter("a :get")),
            (":status", Typed::Status),
            (" :get  p-1 ", Typed::Get("p-1")),
            (":get a key", Typed::Get("a key")),
            (":get", Typed::Unknown(":get")),
            (":status now", Typed::Unknown(":status now")),
            (":q", Typed::Quit),
            (":h", Typed::Help),
            (":", Typed::Unknown(":")),
        ] {
            assert_eq!(Typed::from(line), typed, "{line:?}");
        }
    }
}
