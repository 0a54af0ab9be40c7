use sqlparser::ast::{
    Expr, Ident, LambdaFunction, LambdaFunctionParameter, LambdaSyntax, OneOrManyWithParens,
};
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// A lambda, if the next tokens are one: `x => …` or `(x, y) => …`.
pub(super) fn lambda(parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
    let (names, tokens) = variables(parser)?;
    for _ in 0..tokens {
        parser.next_token();
    }
    let parameter = |name| LambdaFunctionParameter { name, data_type: None };
    let params = OneOrManyWithParens::Many(names.into_iter().map(parameter).collect());
    Some(parser.parse_expr().map(|body| {
        Expr::Lambda(LambdaFunction { params, body: Box::new(body), syntax: LambdaSyntax::Arrow })
    }))
}

/// The variables, and how many tokens there are up to the body.
fn variables(parser: &Parser<'_>) -> Option<(Vec<Ident>, usize)> {
    let name = |place: usize| match &parser.peek_nth_token_ref(place).token {
        Token::Word(word) => Some(word.to_ident(parser.peek_nth_token_ref(place).span)),
        _ => None,
    };
    let is = |place: usize, token: &Token| parser.peek_nth_token_ref(place).token == *token;
    if is(1, &Token::RArrow) {
        return Some((vec![name(0)?], 2));
    }
    if !is(0, &Token::LParen) {
        return None;
    }
    let (mut names, mut place) = (vec![name(1)?], 2);
    while is(place, &Token::Comma) {
        names.push(name(place + 1)?);
        place += 2;
    }
    (is(place, &Token::RParen) && is(place + 1, &Token::RArrow)).then_some((names, place + 2))
}
