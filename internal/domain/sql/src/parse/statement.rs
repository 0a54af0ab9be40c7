use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::elsewhere::elsewhere;
use super::expression::expression;
use super::type_name::{Types, data_type};
use super::{Parsed, expected, here, name, need, peeks, query, span, symbol, text, word};
use crate::ast::{
    At, ColumnDef, ColumnPlace, CreateAs, CreateSource, DropSource, IfExists, InsertSelect, InsertValues,
    SourceKind, Statement,
};
use crate::diagnostic::Diagnostic;

/// Statements that change no rule.
const ASKING: &[&str] =
    &["SHOW", "LIST", "DESCRIBE", "EXPLAIN", "PRINT", "TERMINATE", "PAUSE", "RESUME", "ASSERT"];

/// Reads one statement, to its last token.
pub(super) fn statement(parser: &mut Parser<'_>, types: &Types) -> Parsed<Statement> {
    let place = here(parser);
    if let Some(refused) = elsewhere(parser) {
        return Err(refused);
    }
    if peeks(parser, &["SELECT"]) {
        let said =
            "a query by itself has nowhere to write to; put CREATE STREAM or CREATE TABLE … AS before it";
        return Err(Diagnostic::new(place, said));
    }
    if let Some(asked) = ASKING.iter().find(|asked| peeks(parser, &[asked])) {
        while parser.next_token().token != Token::EOF {}
        return Ok(Statement::Ask(At { node: (*asked).to_owned(), span: place }));
    }
    let statement = if word(parser, "SET") {
        set(parser)?
    } else if word(parser, "UNSET") {
        Statement::Set(text(parser)?, None)
    } else if word(parser, "CREATE") {
        create(parser, types)?
    } else if word(parser, "INSERT") {
        insert(parser)?
    } else if word(parser, "DROP") {
        drop_source(parser)?
    } else if word(parser, "ALTER") {
        alter(parser, types)?
    } else {
        let first = expected(parser, "CREATE, INSERT, DROP, ALTER or SET");
        return Err(first.help("other statements can't be run from a rule file"));
    };
    if matches!(parser.peek_token_ref().token, Token::EOF | Token::SemiColon) {
        Ok(statement)
    } else {
        Err(expected(parser, "';'"))
    }
}

/// `'property' = 'value'`, behind SET.
fn set(parser: &mut Parser<'_>) -> Parsed<Statement> {
    let property = text(parser)?;
    symbol(parser, &Token::Eq, "'='")?;
    Ok(Statement::Set(property, Some(text(parser)?)))
}

fn if_not_exists(parser: &mut Parser<'_>) -> Parsed<bool> {
    if !word(parser, "IF") {
        return Ok(false);
    }
    need(parser, "NOT")?;
    need(parser, "EXISTS")?;
    Ok(true)
}

fn if_exists(parser: &mut Parser<'_>) -> Parsed<bool> {
    if !word(parser, "IF") {
        return Ok(false);
    }
    need(parser, "EXISTS")?;
    Ok(true)
}

fn create(parser: &mut Parser<'_>, types: &Types) -> Parsed<Statement> {
    let mut on_existing = IfExists::Refuse;
    if word(parser, "OR") {
        need(parser, "REPLACE")?;
        on_existing = IfExists::Replace;
    }
    if word(parser, "TYPE") {
        return create_type(parser, types);
    }
    let is_read_only = word(parser, "SOURCE");
    let kind = kind(parser)?;
    if if_not_exists(parser)? {
        on_existing = IfExists::Keep;
    }
    let name = name(parser)?;
    let place = here(parser);
    let columns =
        if parser.consume_token(&Token::LParen) { columns(parser, kind, types)? } else { Vec::new() };
    let with = if word(parser, "WITH") { properties(parser)? } else { Vec::new() };
    if !word(parser, "AS") {
        let create = CreateSource { kind, is_read_only, if_exists: on_existing, name, columns, with };
        return Ok(Statement::CreateSource(Box::new(create)));
    }
    if is_read_only {
        return Err(Diagnostic::new(name.span, "a SOURCE is over a topic that somebody else fills")
            .help("leave SOURCE out"));
    }
    if !columns.is_empty() {
        return Err(Diagnostic::new(place, "the columns are those that the query selects")
            .help("leave the list out, and name columns with AS"));
    }
    let query = query::query(parser)?;
    Ok(Statement::CreateAs(Box::new(CreateAs { kind, if_exists: on_existing, name, with, query })))
}

fn create_type(parser: &mut Parser<'_>, types: &Types) -> Parsed<Statement> {
    let on_existing = if if_not_exists(parser)? { IfExists::Keep } else { IfExists::Refuse };
    let name = name(parser)?;
    need(parser, "AS")?;
    Ok(Statement::CreateType(name, data_type(parser, types)?, on_existing))
}

fn insert(parser: &mut Parser<'_>) -> Parsed<Statement> {
    need(parser, "INTO")?;
    let target = name(parser)?;
    let mut columns = Vec::new();
    if parser.consume_token(&Token::LParen) {
        columns.push(name(parser)?);
        while parser.consume_token(&Token::Comma) {
            columns.push(name(parser)?);
        }
        symbol(parser, &Token::RParen, "')'")?;
    }
    if word(parser, "WITH") {
        properties(parser)?;
    }
    if columns.is_empty() && peeks(parser, &["SELECT"]) {
        let query = query::query(parser)?;
        return Ok(Statement::InsertSelect(Box::new(InsertSelect { target, query })));
    }
    need(parser, "VALUES")?;
    symbol(parser, &Token::LParen, "'('")?;
    let mut values = vec![expression(parser)?];
    while parser.consume_token(&Token::Comma) {
        values.push(expression(parser)?);
    }
    symbol(parser, &Token::RParen, "')'")?;
    Ok(Statement::InsertValues(Box::new(InsertValues { target, columns, values })))
}

fn drop_source(parser: &mut Parser<'_>) -> Parsed<Statement> {
    if word(parser, "TYPE") {
        let may_miss = if_exists(parser)?;
        return Ok(Statement::DropType(name(parser)?, may_miss));
    }
    let kind = kind(parser)?;
    let if_exists = if_exists(parser)?;
    let name = name(parser)?;
    let delete_topic = word(parser, "DELETE");
    if delete_topic {
        need(parser, "TOPIC")?;
    }
    Ok(Statement::DropSource(DropSource { kind, name, if_exists, delete_topic }))
}

fn alter(parser: &mut Parser<'_>, types: &Types) -> Parsed<Statement> {
    let kind = kind(parser)?;
    let source = name(parser)?;
    let mut added = Vec::new();
    loop {
        need(parser, "ADD")?;
        word(parser, "COLUMN");
        let name = name(parser)?;
        added.push(ColumnDef { name, ty: data_type(parser, types)?, place: ColumnPlace::Value });
        if !parser.consume_token(&Token::Comma) {
            return Ok(Statement::Alter(kind, source, added));
        }
    }
}

fn kind(parser: &mut Parser<'_>) -> Parsed<SourceKind> {
    if word(parser, "STREAM") {
        Ok(SourceKind::Stream)
    } else if word(parser, "TABLE") {
        Ok(SourceKind::Table)
    } else {
        Err(expected(parser, "STREAM or TABLE"))
    }
}

fn columns(parser: &mut Parser<'_>, kind: SourceKind, types: &Types) -> Parsed<Vec<ColumnDef>> {
    let mut all = Vec::new();
    loop {
        let name = name(parser)?;
        let ty = data_type(parser, types)?;
        all.push(ColumnDef { name, ty, place: column_place(parser, kind)? });
        if !parser.consume_token(&Token::Comma) {
            symbol(parser, &Token::RParen, "')'")?;
            return Ok(all);
        }
    }
}

/// A table's key is PRIMARY KEY, a stream's KEY.
fn column_place(parser: &mut Parser<'_>, kind: SourceKind) -> Parsed<ColumnPlace> {
    let place = here(parser);
    if word(parser, "HEADERS") {
        return Ok(ColumnPlace::Headers);
    }
    if word(parser, "HEADER") {
        symbol(parser, &Token::LParen, "'('")?;
        let header = text(parser)?;
        symbol(parser, &Token::RParen, "')'")?;
        return Ok(ColumnPlace::Header(header.node));
    }
    let is_primary = word(parser, "PRIMARY");
    let is_key = word(parser, "KEY");
    match (kind, is_primary, is_key) {
        (_, false, false) => Ok(ColumnPlace::Value),
        (SourceKind::Table, true, true) | (SourceKind::Stream, false, true) => Ok(ColumnPlace::Key),
        (SourceKind::Table, false, true) => {
            Err(Diagnostic::new(place, "a table's key is marked PRIMARY KEY"))
        }
        (SourceKind::Stream, true, _) => {
            Err(Diagnostic::new(place, "a stream has no primary key; its key is marked KEY"))
        }
        (SourceKind::Table, true, false) => Err(expected(parser, "KEY")),
    }
}

pub(super) fn properties(parser: &mut Parser<'_>) -> Parsed<Vec<(At<String>, At<String>)>> {
    symbol(parser, &Token::LParen, "'('")?;
    let mut all = Vec::new();
    if parser.consume_token(&Token::RParen) {
        return Ok(all);
    }
    loop {
        let key = match &parser.peek_token_ref().token {
            Token::SingleQuotedString(_) => text(parser)?,
            _ => name(parser)?,
        };
        symbol(parser, &Token::Eq, "'='")?;
        all.push((At { node: key.node.to_uppercase(), span: key.span }, property(parser)?));
        if !parser.consume_token(&Token::Comma) {
            symbol(parser, &Token::RParen, "')'")?;
            return Ok(all);
        }
    }
}

fn is_truth(word: &str) -> bool {
    ["TRUE", "FALSE"].iter().any(|truth| word.eq_ignore_ascii_case(truth))
}

/// A quoted text, a number, a truth, or a duration such as `10 SECONDS`.
fn property(parser: &mut Parser<'_>) -> Parsed<At<String>> {
    let value = parser.next_token();
    let text = match &value.token {
        Token::SingleQuotedString(text) => text.clone(),
        Token::Number(digits, _) => match parser.peek_token_ref().token.clone() {
            Token::Word(unit) => {
                parser.next_token();
                format!("{digits} {}", unit.value)
            }
            _ => digits.clone(),
        },
        Token::Minus => format!("-{}", parser.next_token().token),
        Token::Word(word) if word.quote_style.is_none() && is_truth(&word.value) => word.value.clone(),
        _ => {
            let said =
                Diagnostic::new(span(&value), "expected a text in single quotes, a number, true or false");
            return Err(said);
        }
    };
    Ok(At { node: text, span: span(&value) })
}
