use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::type_name::data_type;
use super::{Parsed, expected, here, name, need, peeks, query, span, symbol, word};
use crate::ast::{At, ColumnDef, CreateAs, CreateSource, IfExists, SourceKind, Statement};
use crate::diagnostic::Diagnostic;

/// Statements that are known, and that no rule file can hold yet, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("INSERT", "INSERT INTO can't be run; let one CREATE … AS SELECT write to the topic"),
    ("DROP", "DROP can't be run; take the statement that creates it out of the file"),
    ("TERMINATE", "TERMINATE can't be run; take the statement out of the file"),
    ("SELECT", "a query by itself has nowhere to write to; put CREATE STREAM or CREATE TABLE … AS before it"),
];

/// Reads one statement, to its last token.
pub(super) fn statement(parser: &mut Parser<'_>) -> Parsed<Statement> {
    if let Some((_, why)) = REFUSED.iter().find(|(word, _)| peeks(parser, &[word])) {
        return Err(Diagnostic::new(here(parser), *why));
    }
    let statement = if word(parser, "SET") {
        set(parser)?
    } else if word(parser, "CREATE") {
        create(parser)?
    } else {
        let first = expected(parser, "CREATE STREAM or CREATE TABLE");
        return Err(first.help("other statements can't be run from a rule file"));
    };
    if parser.peek_token_ref().token == Token::EOF { Ok(statement) } else { Err(expected(parser, "';'")) }
}

/// `'property' = 'value'`, behind SET.
fn set(parser: &mut Parser<'_>) -> Parsed<Statement> {
    let property = text(parser)?;
    symbol(parser, &Token::Eq, "'='")?;
    Ok(Statement::Set(property, text(parser)?))
}

fn text(parser: &mut Parser<'_>) -> Parsed<At<String>> {
    let token = parser.peek_token_ref().clone();
    let Token::SingleQuotedString(text) = &token.token else {
        return Err(expected(parser, "a text in single quotes"));
    };
    parser.next_token();
    Ok(At { node: text.clone(), span: span(&token) })
}

fn create(parser: &mut Parser<'_>) -> Parsed<Statement> {
    let mut if_exists = IfExists::Refuse;
    if word(parser, "OR") {
        need(parser, "REPLACE")?;
        if_exists = IfExists::Replace;
    }
    word(parser, "SOURCE");
    let kind = kind(parser)?;
    if word(parser, "IF") {
        need(parser, "NOT")?;
        need(parser, "EXISTS")?;
        if_exists = IfExists::Keep;
    }
    let name = name(parser)?;
    let place = here(parser);
    let columns = if parser.consume_token(&Token::LParen) { columns(parser, kind)? } else { Vec::new() };
    let with = if word(parser, "WITH") { properties(parser)? } else { Vec::new() };
    if !word(parser, "AS") {
        return Ok(Statement::CreateSource(Box::new(CreateSource { kind, if_exists, name, columns, with })));
    }
    if !columns.is_empty() {
        return Err(Diagnostic::new(place, "the columns are those that the query selects")
            .help("leave the list out, and name columns with AS"));
    }
    let query = query::query(parser)?;
    Ok(Statement::CreateAs(Box::new(CreateAs { kind, if_exists, name, with, query })))
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

fn columns(parser: &mut Parser<'_>, kind: SourceKind) -> Parsed<Vec<ColumnDef>> {
    let mut all = Vec::new();
    loop {
        let name = name(parser)?;
        let ty = data_type(parser)?;
        all.push(ColumnDef { name, ty, is_key: key_mark(parser, kind)? });
        if !parser.consume_token(&Token::Comma) {
            symbol(parser, &Token::RParen, "')'")?;
            return Ok(all);
        }
    }
}

/// A table's key is PRIMARY KEY, a stream's KEY.
fn key_mark(parser: &mut Parser<'_>, kind: SourceKind) -> Parsed<bool> {
    let place = here(parser);
    let is_primary = word(parser, "PRIMARY");
    let is_key = word(parser, "KEY");
    match (kind, is_primary, is_key) {
        (_, false, false) => Ok(false),
        (SourceKind::Table, true, true) | (SourceKind::Stream, false, true) => Ok(true),
        (SourceKind::Table, false, true) => {
            Err(Diagnostic::new(place, "a table's key is marked PRIMARY KEY"))
        }
        (SourceKind::Stream, true, _) => {
            Err(Diagnostic::new(place, "a stream has no primary key; its key is marked KEY"))
        }
        (SourceKind::Table, true, false) => Err(expected(parser, "KEY")),
    }
}

fn properties(parser: &mut Parser<'_>) -> Parsed<Vec<(At<String>, At<String>)>> {
    symbol(parser, &Token::LParen, "'('")?;
    let mut all = Vec::new();
    loop {
        let key = name(parser)?;
        symbol(parser, &Token::Eq, "'='")?;
        let value = parser.next_token();
        let text = match &value.token {
            Token::SingleQuotedString(text) => text.clone(),
            Token::Number(digits, _) => digits.clone(),
            Token::Word(word) => word.value.clone(),
            _ => return Err(Diagnostic::new(span(&value), "expected a quoted text, a number or a word")),
        };
        all.push((
            At { node: key.node.to_uppercase(), span: key.span },
            At { node: text, span: span(&value) },
        ));
        if !parser.consume_token(&Token::Comma) {
            symbol(parser, &Token::RParen, "')'")?;
            return Ok(all);
        }
    }
}
