/// What a line typed at the prompt, or piped in, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Typed<'a> {
    /// Nothing.
    Nothing,
    /// To be told what can be typed.
    Help,
    /// To end.
    Quit,
    /// Something with a colon that there is not.
    Unknown(&'a str),
    /// A search.
    Prompt(&'a str),
}

impl<'a> From<&'a str> for Typed<'a> {
    fn from(line: &'a str) -> Self {
        match line.trim() {
            "" => Self::Nothing,
            ":help" | ":h" => Self::Help,
            ":quit" | ":q" => Self::Quit,
            command if command.starts_with(':') => Self::Unknown(command),
            prompt => Self::Prompt(prompt),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_colon_begins_a_command_and_anything_else_is_a_search() {
        for (line, typed) in [
            ("  ", Typed::Nothing),
            (":help", Typed::Help),
            (" :quit ", Typed::Quit),
            (":quit now", Typed::Unknown(":quit now")),
            (" Oak: a lamp ", Typed::Prompt("Oak: a lamp")),
        ] {
            assert_eq!(Typed::from(line), typed, "{line:?}");
        }
    }
}
