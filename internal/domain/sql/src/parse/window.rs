use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::{Parsed, expected, here, need, symbol, word};
use crate::ast::{At, Window, WindowShape, Within};
use crate::diagnostic::Diagnostic;

const UNITS: &[(&str, i64)] =
    &[("MILLISECOND", 1), ("SECOND", 1000), ("MINUTE", 60_000), ("HOUR", 3_600_000), ("DAY", 86_400_000)];

/// Reads `WINDOW TUMBLING|HOPPING|SESSION (…)`, if it comes.
pub(super) fn window(parser: &mut Parser<'_>) -> Parsed<Option<At<Window>>> {
    let place = here(parser);
    if !word(parser, "WINDOW") {
        return Ok(None);
    }
    // A window may be given a name, which nothing asks for.
    if !super::peeks(parser, &["TUMBLING", "HOPPING", "SESSION"])
        && matches!(parser.peek_nth_token_ref(1).token, Token::Word(_))
    {
        parser.next_token();
    }
    let shape = if word(parser, "TUMBLING") {
        symbol(parser, &Token::LParen, "'('")?;
        need(parser, "SIZE")?;
        WindowShape::Tumbling { size_ms: positive(parser, "SIZE")? }
    } else if word(parser, "HOPPING") {
        symbol(parser, &Token::LParen, "'('")?;
        hopping(parser)?
    } else if word(parser, "SESSION") {
        symbol(parser, &Token::LParen, "'('")?;
        WindowShape::Session { gap_ms: positive(parser, "a session's gap")? }
    } else {
        return Err(expected(parser, "TUMBLING, HOPPING or SESSION"));
    };
    let (mut grace_ms, mut retention_ms) = (None, None);
    while parser.consume_token(&Token::Comma) {
        if word(parser, "RETENTION") {
            retention_ms = Some(duration(parser)?);
        } else {
            need(parser, "GRACE")?;
            need(parser, "PERIOD")?;
            grace_ms = Some(duration(parser)?);
        }
    }
    symbol(parser, &Token::RParen, "')'")?;
    kept_long_enough(shape, grace_ms, retention_ms).map_err(|said| Diagnostic::new(place, said))?;
    Ok(Some(At { node: Window { shape, grace_ms, retention_ms }, span: place }))
}

/// A window is kept until no row is taken for it any more.
fn kept_long_enough(shape: WindowShape, grace_ms: Option<i64>, kept_ms: Option<i64>) -> Result<(), String> {
    let size_ms = match shape {
        WindowShape::Tumbling { size_ms } | WindowShape::Hopping { size_ms, .. } => size_ms,
        WindowShape::Session { gap_ms } => gap_ms,
    };
    let needed_ms = size_ms.saturating_add(grace_ms.unwrap_or(0));
    match kept_ms.filter(|kept_ms| *kept_ms < needed_ms) {
        Some(_) => Err(format!("RETENTION is no shorter than a window and its grace period, {needed_ms} ms")),
        None => Ok(()),
    }
}

fn hopping(parser: &mut Parser<'_>) -> Parsed<WindowShape> {
    need(parser, "SIZE")?;
    let size_ms = positive(parser, "SIZE")?;
    symbol(parser, &Token::Comma, "','")?;
    need(parser, "ADVANCE")?;
    need(parser, "BY")?;
    let place = here(parser);
    let advance_ms = positive(parser, "ADVANCE BY")?;
    if advance_ms > size_ms {
        return Err(Diagnostic::new(place, "windows that advance by more than their size leave gaps")
            .help("advance by the size at most"));
    }
    Ok(WindowShape::Hopping { size_ms, advance_ms })
}

/// Reads `WITHIN n UNIT [GRACE PERIOD n UNIT]`, or `WITHIN (n UNIT, n UNIT)`, if it comes.
pub(super) fn within(parser: &mut Parser<'_>) -> Parsed<Option<At<Within>>> {
    let place = here(parser);
    if !word(parser, "WITHIN") {
        return Ok(None);
    }
    let (before_ms, after_ms) = if parser.consume_token(&Token::LParen) {
        let before = duration(parser)?;
        symbol(parser, &Token::Comma, "','")?;
        let after = duration(parser)?;
        symbol(parser, &Token::RParen, "')'")?;
        (before, after)
    } else {
        let both = duration(parser)?;
        (both, both)
    };
    let mut grace_ms = None;
    if word(parser, "GRACE") {
        need(parser, "PERIOD")?;
        grace_ms = Some(duration(parser)?);
    }
    Ok(Some(At { node: Within { before_ms, after_ms, grace_ms }, span: place }))
}

fn positive(parser: &mut Parser<'_>, what: &str) -> Parsed<i64> {
    let place = here(parser);
    match duration(parser)? {
        0 => Err(Diagnostic::new(place, format!("{what} must be longer than nothing"))),
        some => Ok(some),
    }
}

/// Reads a number and a unit of time, in milliseconds.
pub(super) fn duration(parser: &mut Parser<'_>) -> Parsed<i64> {
    let place = here(parser);
    let Token::Number(digits, _) = parser.peek_token_ref().token.clone() else {
        return Err(expected(parser, "a number"));
    };
    parser.next_token();
    let number: i64 =
        digits.parse().map_err(|_| Diagnostic::new(place, format!("{digits} is no whole number")))?;
    let unit = UNITS.iter().find(|(unit, _)| word(parser, unit) || word(parser, &format!("{unit}S")));
    let Some((_, factor)) = unit else {
        return Err(expected(parser, "MILLISECONDS, SECONDS, MINUTES, HOURS or DAYS"));
    };
    number.checked_mul(*factor).ok_or_else(|| Diagnostic::new(place, "that is longer than time is counted"))
}
