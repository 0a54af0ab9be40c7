//! Statements by themselves: what runs is watched and steered by some, and others are read as in a file.

use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::elsewhere::elsewhere;
use super::statement::{properties, statement};
use super::type_name::Types;
use super::{Parsed, RuleDialect, expected, here, name, need, peeks, span, text, tokens, word};
use crate::ast::Statement;
use crate::command::{Asserted, Command, Listed, Printed, Steering};
use crate::diagnostic::{Diagnostic, Span};

/// How long an assertion waits where that is not said.
const ASSERT_WAIT_MS: u64 = 1000;

/// Reads one statement.
pub(crate) fn parse_command(source: &str, types: &Types) -> Parsed<Command> {
    let dialect = RuleDialect::default();
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens(source)?);
    let read = command(&mut parser, source, types)?;
    let _ = parser.consume_token(&Token::SemiColon);
    if parser.peek_token_ref().token == Token::EOF { Ok(read) } else { Err(expected(&parser, "';'")) }
}

fn command(parser: &mut Parser<'_>, source: &str, types: &Types) -> Parsed<Command> {
    if let Some(refused) = elsewhere(parser) {
        return Err(refused);
    }
    if peeks(parser, &["SELECT", "WITH"]) {
        to_end(parser);
        return Ok(Command::Select);
    }
    for (verb, how) in
        [("TERMINATE", Steering::Terminate), ("PAUSE", Steering::Pause), ("RESUME", Steering::Resume)]
    {
        if word(parser, verb) {
            let query = (!word(parser, "ALL")).then(|| name(parser)).transpose()?;
            return Ok(Command::Steer { how, query: query.map(|query| query.node) });
        }
    }
    if word(parser, "SHOW") || word(parser, "LIST") {
        return show(parser);
    }
    if word(parser, "DESCRIBE") {
        return describe(parser);
    }
    if word(parser, "EXPLAIN") {
        let asked = rest(source, here(parser)).to_owned();
        to_end(parser);
        return Ok(Command::Explain(asked));
    }
    if word(parser, "PRINT") {
        return print(parser);
    }
    if word(parser, "DELETE") {
        return delete(parser, source);
    }
    if word(parser, "ASSERT") {
        return assert(parser, source);
    }
    variable(parser).unwrap_or_else(|| {
        if !peeks(parser, &["CREATE", "INSERT", "DROP", "ALTER", "SET", "UNSET"]) {
            return Err(expected(
                parser,
                "a statement such as CREATE, SELECT, INSERT, SHOW, DESCRIBE or DROP",
            ));
        }
        let read = statement(parser, types)?;
        planned(read, here(parser))
    })
}

/// DEFINE, UNDEFINE and RUN SCRIPT.
fn variable(parser: &mut Parser<'_>) -> Option<Parsed<Command>> {
    if word(parser, "DEFINE") {
        let defined = name_as_is(parser).and_then(|name| {
            super::symbol(parser, &Token::Eq, "'='")?;
            Ok(Command::Define(name, Some(text(parser)?.node)))
        });
        return Some(defined);
    }
    if word(parser, "UNDEFINE") {
        return Some(name_as_is(parser).map(|name| Command::Define(name, None)));
    }
    if word(parser, "RUN") {
        return Some(need(parser, "SCRIPT").and_then(|()| Ok(Command::RunScript(text(parser)?.node))));
    }
    None
}

fn planned(read: Statement, place: Span) -> Parsed<Command> {
    Ok(match read {
        Statement::CreateSource(of) => Command::Create { name: of.name.node, kind: of.kind, is_query: false },
        Statement::CreateAs(of) => Command::Create { name: of.name.node, kind: of.kind, is_query: true },
        Statement::InsertSelect(of) => Command::InsertSelect(of.target.node),
        Statement::InsertValues(_) => Command::InsertValues,
        Statement::DropSource(of) => Command::Drop { name: of.name.node, deletes_topic: of.delete_topic },
        Statement::Alter(_, name, _) => Command::Alter(name.node),
        Statement::CreateType(name, ..) => Command::CreateType(name.node),
        Statement::DropType(name, _) => Command::DropType(name.node),
        Statement::Set(property, value) => Command::Set(property.node, value.map(|value| value.node)),
        Statement::Ask(_) | Statement::Unreadable(_) => {
            return Err(Diagnostic::new(place, "there is no such statement"));
        }
    })
}

fn to_end(parser: &mut Parser<'_>) {
    while !matches!(parser.peek_token_ref().token, Token::EOF | Token::SemiColon) {
        parser.next_token();
    }
}

/// The text from a place on.
fn rest(source: &str, from: Span) -> &str {
    let before: usize = source.split_inclusive('\n').take(from.line.saturating_sub(1)).map(str::len).sum();
    let line = source.get(before..).unwrap_or_default();
    let into = line.char_indices().nth(from.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    line.get(into..).unwrap_or_default().trim_end().trim_end_matches(';').trim_end()
}

fn show(parser: &mut Parser<'_>) -> Parsed<Command> {
    const ALL: [(&str, Listed); 9] = [
        ("STREAMS", Listed::Streams),
        ("TABLES", Listed::Tables),
        ("TOPICS", Listed::Topics),
        ("QUERIES", Listed::Queries),
        ("PROPERTIES", Listed::Properties),
        ("TYPES", Listed::Types),
        ("FUNCTIONS", Listed::Functions),
        ("VARIABLES", Listed::Variables),
        ("CONNECTORS", Listed::Connectors),
    ];
    let is_all = word(parser, "ALL");
    for (name, what) in ALL {
        if word(parser, name) {
            let what = if is_all && what == Listed::Topics { Listed::AllTopics } else { what };
            return Ok(Command::Show { what, is_extended: word(parser, "EXTENDED") });
        }
    }
    let names: Vec<_> = ALL.iter().map(|(name, _)| *name).collect();
    Err(expected(parser, &names.join(", ")))
}

fn describe(parser: &mut Parser<'_>) -> Parsed<Command> {
    if word(parser, "FUNCTION") {
        return Ok(Command::DescribeFunction(name(parser)?.node));
    }
    for what in [("STREAMS", Listed::Streams), ("TABLES", Listed::Tables)] {
        if word(parser, what.0) {
            return Ok(Command::Show { what: what.1, is_extended: word(parser, "EXTENDED") });
        }
    }
    let name = name(parser)?.node;
    Ok(Command::Describe { name, is_extended: word(parser, "EXTENDED") })
}

/// A name that is not folded to capitals, such as a topic's.
fn name_as_is(parser: &mut Parser<'_>) -> Parsed<String> {
    let mut joined = String::new();
    loop {
        let token = parser.peek_token_ref().clone();
        let is_next = joined.is_empty() || token.span.start == parser_end(parser);
        let part = match &token.token {
            Token::Word(word) => word.value.clone(),
            Token::SingleQuotedString(quoted) if joined.is_empty() => quoted.clone(),
            Token::Minus | Token::Period if !joined.is_empty() => token.token.to_string(),
            Token::Number(digits, _) => digits.clone(),
            _ if joined.is_empty() => return Err(expected(parser, "a name")),
            _ => return Ok(joined),
        };
        if !is_next {
            return Ok(joined);
        }
        joined.push_str(&part);
        parser.next_token();
    }
}

/// Where the token before the next one ends.
fn parser_end(parser: &Parser<'_>) -> sqlparser::tokenizer::Location {
    parser.get_current_token().span.end
}

fn number(parser: &mut Parser<'_>) -> Parsed<u64> {
    let Token::Number(digits, _) = parser.peek_token_ref().token.clone() else {
        return Err(expected(parser, "a number"));
    };
    let read = digits.parse().map_err(|_| expected(parser, "a whole number"))?;
    parser.next_token();
    Ok(read)
}

fn print(parser: &mut Parser<'_>) -> Parsed<Command> {
    let mut printed = Printed { topic: name_as_is(parser)?, from_beginning: false, interval: 1, limit: None };
    loop {
        if word(parser, "FROM") {
            need(parser, "BEGINNING")?;
            printed.from_beginning = true;
        } else if word(parser, "INTERVAL") || word(parser, "SAMPLE") {
            printed.interval = number(parser)?.max(1);
        } else if word(parser, "LIMIT") {
            printed.limit = Some(number(parser)?);
        } else {
            return Ok(Command::Print(printed));
        }
    }
}

fn delete(parser: &mut Parser<'_>, source: &str) -> Parsed<Command> {
    need(parser, "FROM")?;
    let table = name(parser)?.node;
    let condition = word(parser, "WHERE").then(|| rest(source, here(parser)).to_owned());
    to_end(parser);
    Ok(Command::Delete { table, condition })
}

fn assert(parser: &mut Parser<'_>, source: &str) -> Parsed<Command> {
    let behind = rest(source, here(parser)).to_owned();
    if word(parser, "VALUES") {
        let insert = format!("INSERT INTO {}", rest(source, here(parser)));
        to_end(parser);
        return Ok(Command::Assert(Asserted::Values(insert)));
    }
    if word(parser, "NULL") {
        need(parser, "VALUES")?;
        return null_values(parser, source);
    }
    if peeks(parser, &["STREAM", "TABLE"]) {
        to_end(parser);
        return Ok(Command::Assert(Asserted::Source(format!("CREATE {behind}"))));
    }
    let exists = !word(parser, "NOT");
    if !exists {
        need(parser, "EXISTS")?;
    }
    let asserted = if word(parser, "TOPIC") {
        let topic = name_as_is(parser)?;
        let with = if word(parser, "WITH") { properties(parser)? } else { Vec::new() };
        let with = with.into_iter().map(|(name, value)| (name.node, value.node)).collect();
        Asserted::Topic { topic, with, exists, timeout_ms: timeout_ms(parser)? }
    } else if word(parser, "SCHEMA") {
        let subject = if word(parser, "SUBJECT") { Some(name_as_is(parser)?) } else { None };
        let id = if word(parser, "ID") { u32::try_from(number(parser)?).ok() } else { None };
        if subject.is_none() && id.is_none() {
            return Err(expected(parser, "SUBJECT or ID"));
        }
        Asserted::Schema { subject, id, exists, timeout_ms: timeout_ms(parser)? }
    } else {
        return Err(expected(parser, "TOPIC, SCHEMA, STREAM, TABLE, VALUES or NULL VALUES"));
    };
    Ok(Command::Assert(asserted))
}

/// `name (keys) KEY (values)`, as an INSERT of the keys.
fn null_values(parser: &mut Parser<'_>, source: &str) -> Parsed<Command> {
    let behind = rest(source, here(parser));
    let target = name(parser)?;
    let mut place = here(parser);
    while parser.peek_token_ref().token != Token::EOF && !peeks(parser, &["KEY"]) {
        parser.next_token();
        place = here(parser);
    }
    if !word(parser, "KEY") {
        return Err(expected(parser, "KEY"));
    }
    let values = rest(source, here(parser)).to_owned();
    let head = behind.len().saturating_sub(rest(source, place).len());
    let columns = behind.get(..head).unwrap_or(&target.node);
    to_end(parser);
    Ok(Command::Assert(Asserted::NullValues(format!("INSERT INTO {columns} VALUES {values}"))))
}

fn timeout_ms(parser: &mut Parser<'_>) -> Parsed<u64> {
    if !word(parser, "TIMEOUT") {
        return Ok(ASSERT_WAIT_MS);
    }
    let count = number(parser)?;
    let token = parser.next_token();
    let unit = token.token.to_string().to_uppercase();
    let factor = match unit.trim_end_matches('S') {
        "MILLISECOND" => 1,
        "SECOND" => 1000,
        "MINUTE" => 60_000,
        "HOUR" => 3_600_000,
        _ => return Err(Diagnostic::new(span(&token), "expected MILLISECONDS, SECONDS, MINUTES or HOURS")),
    };
    Ok(count.saturating_mul(factor))
}

#[cfg(test)]
mod tests;
