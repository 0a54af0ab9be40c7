//! Statements of ksqlDB that ask for what is done elsewhere.

use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{here, is_word};
use crate::diagnostic::Diagnostic;

/// Why the next statement is none of this engine's, and who does what it asks for; `None` where it may be one.
pub(super) fn elsewhere(parser: &Parser<'_>) -> Option<Diagnostic> {
    let is = |place: usize, words: &[&str]| {
        words.iter().any(|word| is_word(&parser.peek_nth_token_ref(place).token, word))
    };
    if is(0, &["ALTER"]) && is(1, &["SYSTEM"]) {
        let refused = Diagnostic::new(here(parser), "the settings of servers are not altered while they run");
        let help = "SET holds for statements of your own; for all, put it in the servers' settings and start them again";
        return Some(refused.help(help));
    }
    let kind = 1 + usize::from(is(1, &["SOURCE", "SINK", "ALL"]));
    let verbs = &["CREATE", "DROP", "SHOW", "LIST"];
    // A stream may be called so.
    let is_described =
        is(0, &["DESCRIBE"]) && is(1, &["CONNECTOR"]) && is_named(&parser.peek_nth_token_ref(2).token);
    let is_about = is(0, verbs) && is(kind, &["CONNECTOR", "CONNECTORS"]);
    (is_about || is_described).then(|| {
        Diagnostic::new(here(parser), "connectors are Kafka Connect's, and there are none here")
            .help("send this to the REST API of Kafka Connect's workers")
    })
}

fn is_named(token: &Token) -> bool {
    matches!(token, Token::Word(word) if word.quote_style.is_some() || !word.value.eq_ignore_ascii_case("EXTENDED"))
}

#[cfg(test)]
mod tests {
    use crate::catalog::Catalog;
    use crate::command::{Command, command};

    #[test]
    fn what_is_done_elsewhere_is_refused_with_where() {
        for (text, word) in [
            ("ALTER SYSTEM 'ksql.a'='b'", "SET"),
            ("CREATE SOURCE CONNECTOR c WITH ('a'='b')", "Kafka Connect"),
            ("CREATE SINK CONNECTOR IF NOT EXISTS c WITH ('a'='b')", "Kafka Connect"),
            ("DROP CONNECTOR c", "Kafka Connect"),
            ("DESCRIBE CONNECTOR c", "Kafka Connect"),
            ("SHOW CONNECTOR PLUGINS", "Kafka Connect"),
            ("LIST SINK CONNECTORS", "Kafka Connect"),
        ] {
            let refused = command(text, &Catalog::new()).unwrap_err();
            assert!(
                refused.help.is_some_and(|help| help.contains(word)) && refused.span.column == 1,
                "{text}"
            );
        }
        for text in ["DESCRIBE connector", "DESCRIBE connector EXTENDED", "DROP STREAM connector"] {
            assert!(matches!(
                command(text, &Catalog::new()),
                Ok(Command::Describe { .. } | Command::Drop { .. })
            ));
        }
    }
}
