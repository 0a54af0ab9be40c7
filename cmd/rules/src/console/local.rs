//! What the console does by itself, with or without a semicolon.

/// A word to the console itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Local {
    Exit,
    Help,
    Clear,
    Version,
    History,
    /// How rows are shown; without a word, how they are.
    Output(Option<String>),
    /// Another server; without an address, which one.
    Server(Option<String>),
    /// A file that what is shown goes to as well; `None` ends that.
    Spool(Option<String>),
}

impl Local {
    pub(super) fn of(typed: &str) -> Option<Self> {
        let typed = typed.trim().trim_end_matches(';').trim_end();
        let (first, rest) = typed.split_once(char::is_whitespace).unwrap_or((typed, ""));
        let rest = rest.trim();
        let word = || Some(rest.trim_matches('\'').to_owned()).filter(|rest| !rest.is_empty());
        match (first.to_ascii_lowercase().as_str(), rest.is_empty()) {
            ("exit" | "quit", true) => Some(Self::Exit),
            ("help", _) => Some(Self::Help),
            ("clear", true) => Some(Self::Clear),
            ("version", true) => Some(Self::Version),
            ("history", true) => Some(Self::History),
            ("output", _) => Some(Self::Output(word())),
            ("server", _) => Some(Self::Server(word())),
            ("spool", false) if rest.eq_ignore_ascii_case("off") => Some(Self::Spool(None)),
            ("spool", false) => Some(Self::Spool(word())),
            _ => None,
        }
    }
}

pub(super) const HELP: &str = "\
Statements end with a semicolon and may go over several lines; Tab completes words.
  SHOW STREAMS|TABLES|TOPICS|QUERIES|FUNCTIONS|PROPERTIES|TYPES|VARIABLES;    DESCRIBE name [EXTENDED];
  CREATE STREAM|TABLE …;  INSERT INTO … VALUES …;  SELECT … [EMIT CHANGES] [LIMIT n];  PRINT topic [FROM BEGINNING];
  EXPLAIN query;  PAUSE|RESUME|TERMINATE query|ALL;  DROP …;  DELETE FROM table WHERE …;
  SET 'auto.offset.reset'='earliest';  DEFINE name = 'value'; and ${name};  RUN SCRIPT 'file';
Words to the console itself:
  output json|tabular    how answers are shown         SPOOL 'file' | SPOOL OFF    writes what is shown to a file too
  server [URL]           which server is asked         history, clear, version, exit
Ctrl-C ends a query whose rows come, Ctrl-D the console.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_to_the_console_are_told_from_statements() {
        let some = |text: &str| Some(text.to_owned());
        for (typed, expected) in [
            ("exit", Some(Local::Exit)),
            (" QUIT ; ", Some(Local::Exit)),
            ("SPOOL OFF;", Some(Local::Spool(None))),
            ("spool '/tmp/a b.log'", Some(Local::Spool(some("/tmp/a b.log")))),
            ("output JSON", Some(Local::Output(some("JSON")))),
            ("server", Some(Local::Server(None))),
            ("spool", None),
            ("clear the table", None),
            ("SELECT 1", None),
        ] {
            assert_eq!(Local::of(typed), expected, "{typed}");
        }
    }
}
