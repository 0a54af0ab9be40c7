use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::expression::data_type;
use super::{Parsed, expected, here, name, need, peeks, query, span, symbol, word};
use crate::ast::{At, ColumnDef, CreateAs, CreateSource, SourceKind, Statement};
use crate::diagnostic::Diagnostic;

/// Reads one statement, to its last token.
pub(super) fn statement(parser: &mut Parser<'_>) -> Parsed<Statement> {
    if !peeks(parser, &["CREATE"]) {
        let first = expected(parser, "CREATE STREAM or CREATE TABLE");
        return Err(first.help("other statements can't be run from a rule file"));
    }
    need(parser, "CREATE")?;
    if word(parser, "OR") {
        need(parser, "REPLACE")?;
    }
    word(parser, "SOURCE");
    let kind = kind(parser)?;
    if word(parser, "IF") {
        need(parser, "NOT")?;
        need(parser, "EXISTS")?;
    }
    let name = name(parser)?;
    let columns = if parser.consume_token(&Token::LParen) { columns(parser, kind)? } else { Vec::new() };
    let with = if word(parser, "WITH") { properties(parser)? } else { Vec::new() };
    let statement = if word(parser, "AS") {
        let query = query::query(parser)?;
        Statement::CreateAs(CreateAs { kind, name, with, query })
    } else {
        Statement::CreateSource(CreateSource { kind, name, columns, with })
    };
    if parser.peek_token_ref().token == Token::EOF { Ok(statement) } else { Err(expected(parser, "';'")) }
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
