//! From text to statements: sqlparser reads tokens and expressions, the statements around them are read here.

mod call;
mod command;
mod dialect;
mod elsewhere;
mod expression;
mod lambda;
mod query;
mod statement;
mod type_name;
mod window;

use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer, TokenizerError, Word};

use crate::ast::{At, Expr, IfExists, Query, Statement};
use crate::diagnostic::{Diagnostic, Span};
use dialect::RuleDialect;

type Parsed<T> = Result<T, Diagnostic>;

pub(crate) use command::parse_command;
pub(crate) use type_name::Types;

/// Reads all statements of a text, and all mistakes, one a statement at the most. Types that it names are added to `types`.
pub(crate) fn parse(text: &str, types: &mut Types) -> (Vec<At<Statement>>, Vec<Diagnostic>) {
    let (mut tokens, mut mistakes) = (Vec::new(), Vec::new());
    let read = Tokenizer::new(&RuleDialect::default(), text).tokenize_with_location_into_buf(&mut tokens);
    if let Err(error) = read {
        // What stands before is whole up to the last semicolon, and is looked at nevertheless.
        mistakes.push(unreadable(&error));
        let whole = tokens.iter().rposition(|token| token.token == Token::SemiColon);
        tokens.truncate(whole.unwrap_or(0));
    }
    let mut statements = Vec::new();
    for tokens in tokens.split(|token| token.token == Token::SemiColon) {
        let Some(first) = tokens.iter().find(|token| is_said(token)) else { continue };
        let span = span(first);
        let dialect = RuleDialect::default();
        let mut parser =
            Parser::new(&dialect).with_tokens_with_locations(type_name::spelled_out(tokens, types));
        let read = statement::statement(&mut parser, types).and_then(|read| typed(read, types));
        let node = read.unwrap_or_else(|mistake| {
            mistakes.push(placed(mistake, tokens));
            Statement::Unreadable(created(tokens))
        });
        statements.push(At { node, span });
    }
    (statements, mistakes)
}

/// Reads a text that is one expression.
pub(crate) fn parse_expression(text: &str) -> Parsed<At<Expr>> {
    let dialect = RuleDialect::default();
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens(text)?);
    let read = expression::expression(&mut parser)?;
    if parser.peek_token_ref().token == Token::EOF {
        return Ok(read);
    }
    Err(expected(&parser, "the end of the expression"))
}

/// Reads a text that is one query.
pub(crate) fn parse_query(text: &str) -> Parsed<Query> {
    let tokens = tokens(text)?;
    let dialect = RuleDialect::default();
    let mut parser = Parser::new(&dialect).with_tokens_with_locations(tokens);
    let read = query::query(&mut parser)?;
    let _ = parser.consume_token(&Token::SemiColon);
    if parser.peek_token_ref().token == Token::EOF {
        return Ok(read);
    }
    Err(expected(&parser, "the end of the query"))
}

/// The tokens of a text.
pub(crate) fn tokens(text: &str) -> Parsed<Vec<TokenWithSpan>> {
    Tokenizer::new(&RuleDialect::default(), text).tokenize_with_location().map_err(|error| unreadable(&error))
}

/// Keeps the types that a statement names.
fn typed(statement: Statement, types: &mut Types) -> Parsed<Statement> {
    match &statement {
        Statement::CreateType(name, ty, if_exists) => {
            if types.contains_key(&name.node) {
                return match if_exists {
                    IfExists::Keep => Ok(statement),
                    _ => Err(Diagnostic::new(name.span, format!("a type called {} exists", name.node))),
                };
            }
            types.insert(name.node.clone(), ty.clone());
        }
        Statement::DropType(name, may_miss) if types.remove(&name.node).is_none() && !may_miss => {
            return Err(Diagnostic::new(name.span, format!("there is no type {}", name.node)));
        }
        _ => {}
    }
    Ok(statement)
}

fn is_said(token: &TokenWithSpan) -> bool {
    !matches!(token.token, Token::Whitespace(_) | Token::EOF)
}

/// What a statement that can't be read would have created: the name behind STREAM or TABLE.
fn created(tokens: &[TokenWithSpan]) -> Option<String> {
    let words = tokens.iter().filter(|token| is_said(token)).map(|token| match &token.token {
        Token::Word(word) => Some(word),
        _ => None,
    });
    let mut words = words.map_while(|word| word);
    let is = |word: &Word, name: &str| word.quote_style.is_none() && word.value.eq_ignore_ascii_case(name);
    words.find(|word| is(word, "STREAM") || is(word, "TABLE"))?;
    words.find(|word| !["IF", "NOT", "EXISTS"].iter().any(|name| is(word, name))).map(folded)
}

/// A mistake at the end of a statement has no place of its own; it is put behind the last token.
fn placed(mistake: Diagnostic, tokens: &[TokenWithSpan]) -> Diagnostic {
    if mistake.span.line > 0 {
        return mistake;
    }
    let last = tokens.iter().rfind(|token| is_said(token));
    let end = last.map_or(Span { line: 1, column: 1, length: 1 }, |token| Span {
        line: usize::try_from(token.span.end.line).unwrap_or(1),
        column: usize::try_from(token.span.end.column).unwrap_or(1),
        length: 1,
    });
    Diagnostic { span: end, ..mistake }
}

fn unreadable(error: &TokenizerError) -> Diagnostic {
    let number = |number: u64| usize::try_from(number).unwrap_or(1);
    let span = Span { line: number(error.location.line), column: number(error.location.column), length: 1 };
    Diagnostic::new(span, format!("the text can't be read: {}", error.message))
}

fn between(span: sqlparser::tokenizer::Span) -> Span {
    let number = |number: u64| usize::try_from(number).unwrap_or(0);
    let (line, column) = (number(span.start.line), number(span.start.column));
    let length = if span.start.line == span.end.line {
        number(span.end.column).saturating_sub(column).max(1)
    } else {
        1
    };
    Span { line, column, length }
}

fn span(token: &TokenWithSpan) -> Span {
    between(token.span)
}

/// What the library found wrong. It names the place in words.
fn refused(error: ParserError, here: Span) -> Diagnostic {
    let said = match error {
        ParserError::TokenizerError(said) | ParserError::ParserError(said) => said,
        ParserError::RecursionLimitExceeded => "it is nested too deeply".to_owned(),
    };
    let (message, place) = said.split_once(" at Line: ").unwrap_or((&said, ""));
    let found = place.split_once(", Column: ").and_then(|(line, column)| {
        Some(Span { line: line.trim().parse().ok()?, column: column.trim().parse().ok()?, length: 1 })
    });
    // The library shows how it keeps the word there, which tells nobody anything.
    let is_shown = message.contains("infix parser for token");
    let message = if is_shown { "expected an operator, or the end of the expression" } else { message };
    let mut message = message.to_owned();
    if let Some(first) = message.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    Diagnostic::new(found.unwrap_or(here), message)
}

/// The next token's place, for a mistake found there.
fn here(parser: &Parser<'_>) -> Span {
    span(parser.peek_token_ref())
}

fn expected(parser: &Parser<'_>, what: &str) -> Diagnostic {
    let found = parser.peek_token_ref();
    let seen =
        if found.token == Token::EOF { "the end of the statement".to_owned() } else { format!("'{found}'") };
    Diagnostic::new(span(found), format!("expected {what}, found {seen}"))
}

/// Whether the next token is this word; it is then taken.
fn word(parser: &mut Parser<'_>, word: &str) -> bool {
    let is_it = is_word(&parser.peek_token_ref().token, word);
    if is_it {
        parser.next_token();
    }
    is_it
}

fn peeks(parser: &Parser<'_>, words: &[&str]) -> bool {
    words.iter().any(|word| is_word(&parser.peek_token_ref().token, word))
}

fn is_word(token: &Token, word: &str) -> bool {
    matches!(token, Token::Word(next) if next.quote_style.is_none() && next.value.eq_ignore_ascii_case(word))
}

fn need(parser: &mut Parser<'_>, expected_word: &str) -> Parsed<()> {
    if word(parser, expected_word) { Ok(()) } else { Err(expected(parser, expected_word)) }
}

fn symbol(parser: &mut Parser<'_>, token: &Token, name: &str) -> Parsed<()> {
    if parser.consume_token(token) { Ok(()) } else { Err(expected(parser, name)) }
}

/// Words that statements are built of: without quotes they name nothing.
const RESERVED: &[&str] = &[
    "AND", "AS", "BETWEEN", "BY", "CASE", "CAST", "CREATE", "DELETE", "DISTINCT", "DROP", "ELSE", "END",
    "EXISTS", "FALSE", "FROM", "FULL", "GROUP", "HAVING", "IN", "INNER", "INSERT", "INTO", "IS", "JOIN",
    "LEFT", "LIKE", "LIMIT", "NOT", "NULL", "ON", "OR", "OUTER", "RIGHT", "SELECT", "STREAM", "TABLE",
    "THEN", "TRUE", "VALUES", "WHEN", "WHERE", "WINDOW", "WITH", "WITHIN",
];

fn is_reserved(word: &Word) -> bool {
    word.quote_style.is_none() && RESERVED.iter().any(|reserved| word.value.eq_ignore_ascii_case(reserved))
}

/// A name; unquoted ones are folded to capitals.
fn name(parser: &mut Parser<'_>) -> Parsed<At<String>> {
    let token = parser.peek_token_ref().clone();
    match &token.token {
        Token::Word(word) if is_reserved(word) => {
            let said = Diagnostic::new(
                span(&token),
                format!("{} is a word of the language, and names nothing", word.value),
            );
            Err(said.help(format!("write `{}` to name something so", word.value)))
        }
        Token::Word(word) => {
            parser.next_token();
            Ok(At { node: folded(word), span: span(&token) })
        }
        _ => Err(expected(parser, "a name")),
    }
}

fn text(parser: &mut Parser<'_>) -> Parsed<At<String>> {
    let token = parser.peek_token_ref().clone();
    let Token::SingleQuotedString(text) = &token.token else {
        return Err(expected(parser, "a text in single quotes"));
    };
    parser.next_token();
    Ok(At { node: text.clone(), span: span(&token) })
}

fn folded(word: &Word) -> String {
    if word.quote_style.is_some() { word.value.clone() } else { word.value.to_uppercase() }
}

#[cfg(test)]
mod tests;
