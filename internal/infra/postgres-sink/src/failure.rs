//! PostgreSQL's errors as ports have them.

use std::error::Error as _;

use millstream_ports::{Action, PortError};
use postgres::Error;

/// What to do about an error, by its class.
///
/// Source: PostgreSQL 17 documentation, appendix A, "PostgreSQL Error Codes".
fn action(code: &str) -> Action {
    match code.get(..2).unwrap_or_default() {
        // No connection, no room, or the server's operator: it may pass. A conflict with another transaction is over by now,
        // and so is a table that somebody else just made or changed.
        "08" | "53" | "57" | "58" | "40" | "55" => Action::Retry,
        _ if matches!(code, "42P07" | "42701" | "42P01" | "42703" | "0A000" | "25006") => Action::Retry,
        // What the row holds: its values, and limits that it goes beyond.
        "22" | "23" | "54" => Action::DeadLetter,
        _ => Action::Stop,
    }
}

/// What `attempt` came to.
pub(crate) fn port_error(attempt: &str, error: &Error) -> PortError {
    let Some(told) = error.as_db_error() else {
        // No answer of the server's: the connection is what failed, or could not be made.
        let reason = error.source().map_or_else(|| error.to_string(), ToString::to_string);
        return PortError::retry(attempt).because(reason);
    };
    let detail = told.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
    let reason = format!("{}{detail} [{}]", told.message(), told.code().code());
    PortError::new(action(told.code().code()), attempt).because(reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_tells_what_to_do() {
        for (code, wanted) in [
            ("57P01", Action::Retry),
            ("53100", Action::Retry),
            ("40P01", Action::Retry),
            ("08006", Action::Retry),
            ("22P02", Action::DeadLetter),
            ("54000", Action::DeadLetter),
            ("28P01", Action::Stop),
            ("3D000", Action::Stop),
            ("42501", Action::Stop),
        ] {
            assert_eq!(action(code), wanted, "{code}");
        }
    }
}
