use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::expression::expression;
use super::{Parsed, here, name, need, peeks, word};
use crate::ast::{At, Expr, Join, Query, Relation, SelectItem};
use crate::diagnostic::Diagnostic;

/// Words that end a source or an item rather than name it.
const CLAUSES: &[&str] = &[
    "FROM",
    "JOIN",
    "INNER",
    "LEFT",
    "RIGHT",
    "FULL",
    "OUTER",
    "ON",
    "WITHIN",
    "WINDOW",
    "WHERE",
    "GROUP",
    "PARTITION",
    "HAVING",
    "EMIT",
    "LIMIT",
    "ORDER",
    "UNION",
    "AS",
];

/// Clauses that are known, and that no rule can use yet, with what to do instead.
const REFUSED: &[(&str, &str)] = &[
    ("WINDOW", "windows can't be run; group by a column instead"),
    ("LIMIT", "a rule runs for ever, so it has no LIMIT"),
    ("ORDER", "a rule's rows come as they change, so it has no ORDER BY"),
    ("UNION", "UNION can't be run; write two rules into one topic"),
    ("RIGHT", "a RIGHT join can't be run; swap the sources and write LEFT JOIN"),
    ("FULL", "a FULL join can't be run; only JOIN and LEFT JOIN can"),
    ("WITHIN", "joins of streams within a time can't be run; join tables"),
];

/// Reads `SELECT … EMIT CHANGES`.
pub(super) fn query(parser: &mut Parser<'_>) -> Parsed<Query> {
    need(parser, "SELECT")?;
    let items = items(parser)?;
    need(parser, "FROM")?;
    let from = relation(parser)?;
    refuse(parser)?;
    let join = join(parser)?;
    refuse(parser)?;
    let filter = if word(parser, "WHERE") { Some(expression(parser)?) } else { None };
    refuse(parser)?;
    let group_by = if word(parser, "GROUP") { list_by(parser)? } else { Vec::new() };
    refuse(parser)?;
    let partition_by = if word(parser, "PARTITION") { list_by(parser)? } else { Vec::new() };
    refuse(parser)?;
    let having = if word(parser, "HAVING") { Some(expression(parser)?) } else { None };
    refuse(parser)?;
    if word(parser, "EMIT") {
        need(parser, "CHANGES")?;
    }
    refuse(parser)?;
    Ok(Query { items, from, join, filter, group_by, partition_by, having })
}

fn refuse(parser: &Parser<'_>) -> Parsed<()> {
    let found = REFUSED.iter().find(|(word, _)| peeks(parser, &[word]));
    found.map_or(Ok(()), |(_, why)| Err(Diagnostic::new(here(parser), *why)))
}

fn items(parser: &mut Parser<'_>) -> Parsed<Vec<SelectItem>> {
    let mut all = Vec::new();
    loop {
        let place = here(parser);
        if parser.consume_token(&Token::Mul) {
            all.push(SelectItem::All(place));
        } else {
            let expr = expression(parser)?;
            let alias = if word(parser, "AS") || is_alias(parser) { Some(name(parser)?.node) } else { None };
            all.push(SelectItem::Expr(expr, alias));
        }
        if !parser.consume_token(&Token::Comma) {
            return Ok(all);
        }
    }
}

fn is_alias(parser: &Parser<'_>) -> bool {
    matches!(parser.peek_token_ref().token, Token::Word(_)) && !peeks(parser, CLAUSES)
}

fn relation(parser: &mut Parser<'_>) -> Parsed<Relation> {
    if parser.peek_token_ref().token == Token::LParen {
        return Err(Diagnostic::new(here(parser), "a subquery can't be run here")
            .help("create a stream or table from it first"));
    }
    let source = name(parser)?;
    let alias = if word(parser, "AS") || is_alias(parser) { name(parser)?.node } else { source.node.clone() };
    Ok(Relation { name: source, alias })
}

fn join(parser: &mut Parser<'_>) -> Parsed<Option<Join>> {
    let is_outer = word(parser, "LEFT");
    let is_said = if is_outer { word(parser, "OUTER") } else { word(parser, "INNER") };
    if !word(parser, "JOIN") {
        return if is_outer || is_said { Err(super::expected(parser, "JOIN")) } else { Ok(None) };
    }
    let right = relation(parser)?;
    refuse(parser)?;
    need(parser, "ON")?;
    let on = expression(parser)?;
    if peeks(parser, &["JOIN", "INNER", "LEFT"]) {
        return Err(Diagnostic::new(here(parser), "only two sources can be joined")
            .help("create a table from the first two, and join that"));
    }
    Ok(Some(Join { is_outer, right, on }))
}

fn list_by(parser: &mut Parser<'_>) -> Parsed<Vec<At<Expr>>> {
    need(parser, "BY")?;
    let mut all = vec![expression(parser)?];
    while parser.consume_token(&Token::Comma) {
        all.push(expression(parser)?);
    }
    Ok(all)
}
