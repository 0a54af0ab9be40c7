use sqlparser::parser::Parser;
use sqlparser::tokenizer::Token;

use super::expression::expression;
use super::window::{window, within};
use super::{Parsed, expected, here, name, need, peeks, symbol, word};
use crate::ast::{At, Expr, Join, JoinKind, Query, Relation, SelectItem};
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
    "GRACE",
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

/// Reads `SELECT … EMIT CHANGES`, with the queries that are named before it by `WITH name AS (…)`.
pub(super) fn query(parser: &mut Parser<'_>) -> Parsed<Query> {
    if !word(parser, "WITH") {
        return select(parser);
    }
    let mut named: Vec<(String, Query)> = Vec::new();
    loop {
        let name = name(parser)?;
        need(parser, "AS")?;
        symbol(parser, &Token::LParen, "'('")?;
        let mut inner = select(parser)?;
        symbol(parser, &Token::RParen, "')'")?;
        put_in(&mut inner, &named);
        named.push((name.node, inner));
        if !parser.consume_token(&Token::Comma) {
            break;
        }
    }
    let mut outer = select(parser)?;
    put_in(&mut outer, &named);
    Ok(outer)
}

/// Puts named queries in the places where they are read.
fn put_in(query: &mut Query, named: &[(String, Query)]) {
    let joined = query.joins.iter_mut().map(|join| &mut join.right);
    for relation in std::iter::once(&mut query.from).chain(joined) {
        match &mut relation.query {
            Some(inner) => put_in(inner, named),
            none => {
                let found = named.iter().find(|(name, _)| *name == relation.name.node);
                *none = found.map(|(_, query)| Box::new(query.clone()));
            }
        }
    }
    query.union.iter_mut().for_each(|other| put_in(other, named));
}

fn select(parser: &mut Parser<'_>) -> Parsed<Query> {
    need(parser, "SELECT")?;
    let items = items(parser)?;
    need(parser, "FROM")?;
    let from = relation(parser)?;
    let joins = joins(parser)?;
    let window = window(parser)?;
    let filter = if word(parser, "WHERE") { Some(expression(parser)?) } else { None };
    // Grouping and partitioning may be said in either order; that only one makes sense is said later, and better.
    let mut group_by = if word(parser, "GROUP") { list_by(parser)? } else { Vec::new() };
    let partition_by = if word(parser, "PARTITION") { list_by(parser)? } else { Vec::new() };
    if group_by.is_empty() && word(parser, "GROUP") {
        group_by = list_by(parser)?;
    }
    let having = if word(parser, "HAVING") { Some(expression(parser)?) } else { None };
    let (mut emit_final, mut emits_changes) = (None, false);
    if word(parser, "EMIT") {
        let place = here(parser);
        if word(parser, "FINAL") {
            emit_final = Some(place);
        } else if word(parser, "CHANGES") {
            emits_changes = true;
        } else {
            return Err(expected(parser, "CHANGES or FINAL"));
        }
    }
    let limit = limit(parser)?;
    refuse(parser)?;
    let union = if word(parser, "UNION") { Some(Box::new(behind_union(parser)?)) } else { None };
    Ok(Query {
        items,
        from,
        joins,
        window,
        filter,
        group_by,
        partition_by,
        having,
        emit_final,
        emits_changes,
        limit,
        is_transient: false,
        union,
    })
}

fn limit(parser: &mut Parser<'_>) -> Parsed<Option<At<u64>>> {
    let span = here(parser);
    if !word(parser, "LIMIT") {
        return Ok(None);
    }
    let Token::Number(digits, _) = &parser.peek_token_ref().token else {
        return Err(expected(parser, "how many rows"));
    };
    let Ok(node) = digits.parse() else { return Err(expected(parser, "how many rows")) };
    parser.next_token();
    Ok(Some(At { node, span }))
}

fn behind_union(parser: &mut Parser<'_>) -> Parsed<Query> {
    let place = here(parser);
    if !word(parser, "ALL") {
        let said = Diagnostic::new(
            place,
            "a stream's rows never end, so that equal ones can't be told from each other",
        );
        return Err(said.help("write UNION ALL"));
    }
    query(parser)
}

fn refuse(parser: &Parser<'_>) -> Parsed<()> {
    if peeks(parser, &["ORDER"]) {
        let said = "a rule's rows come as they change, so it has no ORDER BY";
        return Err(Diagnostic::new(here(parser), said));
    }
    Ok(())
}

fn items(parser: &mut Parser<'_>) -> Parsed<Vec<SelectItem>> {
    let mut all = Vec::new();
    loop {
        all.push(item(parser)?);
        if !parser.consume_token(&Token::Comma) {
            return Ok(all);
        }
    }
}

fn item(parser: &mut Parser<'_>) -> Parsed<SelectItem> {
    let place = here(parser);
    if parser.consume_token(&Token::Mul) {
        return Ok(SelectItem::All(place));
    }
    let is_all_of = matches!(parser.peek_token_ref().token, Token::Word(_))
        && parser.peek_nth_token_ref(1).token == Token::Period
        && parser.peek_nth_token_ref(2).token == Token::Mul;
    if is_all_of {
        let source = name(parser)?;
        parser.next_token();
        parser.next_token();
        return Ok(SelectItem::AllOf(source));
    }
    let expr = expression(parser)?;
    if let Expr::Field(of, field) = &expr.node
        && field == super::dialect::ALL_FIELDS
    {
        return Ok(SelectItem::Fields((**of).clone()));
    }
    let alias = if word(parser, "AS") || is_alias(parser) { Some(name(parser)?) } else { None };
    Ok(SelectItem::Expr(expr, alias))
}

fn is_alias(parser: &Parser<'_>) -> bool {
    matches!(parser.peek_token_ref().token, Token::Word(_)) && !peeks(parser, CLAUSES)
}

fn relation(parser: &mut Parser<'_>) -> Parsed<Relation> {
    let place = here(parser);
    if parser.consume_token(&Token::LParen) {
        let inner = query(parser)?;
        symbol(parser, &Token::RParen, "')'")?;
        word(parser, "AS");
        if !is_alias(parser) {
            return Err(expected(parser, "a name for the query in parentheses"));
        }
        let alias = name(parser)?.node;
        let name = At { node: alias.clone(), span: place };
        return Ok(Relation { name, alias, query: Some(Box::new(inner)) });
    }
    let source = name(parser)?;
    let alias = if word(parser, "AS") || is_alias(parser) { name(parser)?.node } else { source.node.clone() };
    Ok(Relation { name: source, alias, query: None })
}

fn joins(parser: &mut Parser<'_>) -> Parsed<Vec<Join>> {
    let mut all = Vec::new();
    while let Some(join) = join(parser)? {
        all.push(join);
    }
    Ok(all)
}

fn join(parser: &mut Parser<'_>) -> Parsed<Option<Join>> {
    let mut is_said = true;
    let kind = if word(parser, "LEFT") {
        JoinKind::Left
    } else if word(parser, "RIGHT") {
        JoinKind::Right
    } else if word(parser, "FULL") {
        JoinKind::Full
    } else if word(parser, "OUTER") {
        return Err(Diagnostic::new(here(parser), "an OUTER join is LEFT, RIGHT or FULL"));
    } else {
        is_said = word(parser, "INNER");
        JoinKind::Inner
    };
    if kind != JoinKind::Inner {
        word(parser, "OUTER");
    }
    if !word(parser, "JOIN") {
        return if is_said { Err(expected(parser, "JOIN")) } else { Ok(None) };
    }
    let right = relation(parser)?;
    let within = within(parser)?;
    need(parser, "ON")?;
    Ok(Some(Join { kind, right, within, on: expression(parser)? }))
}

/// Expressions behind BY, in parentheses or not.
fn list_by(parser: &mut Parser<'_>) -> Parsed<Vec<At<Expr>>> {
    need(parser, "BY")?;
    let mut all = Vec::new();
    loop {
        match expression(parser)? {
            At { node: Expr::Call(name, parts), .. } if name.is_empty() => all.extend(parts),
            one => all.push(one),
        }
        if !parser.consume_token(&Token::Comma) {
            return Ok(all);
        }
    }
}
