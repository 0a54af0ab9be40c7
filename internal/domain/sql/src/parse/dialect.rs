use std::cell::Cell;

use sqlparser::ast::{BinaryOperator, Expr, Ident};
use sqlparser::dialect::{Dialect, Precedence};
use sqlparser::keywords::Keyword;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::Token;

/// What sqlparser must know of the rules' SQL to read its tokens and expressions.
///
/// One is made for each statement: it counts the operators, for a chain of very many would make a tree too deep to walk.
#[derive(Debug, Default)]
pub(super) struct RuleDialect {
    operators: Cell<usize>,
}

/// The most operators in a statement.
const OPERATORS_MAX: usize = 250;

impl Dialect for RuleDialect {
    fn is_identifier_start(&self, c: char) -> bool {
        c.is_alphabetic() || c == '_' || c == '@'
    }

    fn is_identifier_part(&self, c: char) -> bool {
        c.is_alphanumeric() || c == '_' || c == '@'
    }

    fn is_delimited_identifier_start(&self, c: char) -> bool {
        c == '`' || c == '"'
    }

    /// A name may begin with digits.
    fn supports_numeric_prefix(&self) -> bool {
        true
    }

    /// `STRUCT(name := value)`.
    fn supports_named_fn_args_with_assignment_operator(&self) -> bool {
        true
    }

    /// `name => value` is a lambda.
    fn supports_named_fn_args_with_rarrow_operator(&self) -> bool {
        false
    }

    /// `MAP('key' := value)`.
    fn supports_named_fn_args_with_expr_name(&self) -> bool {
        true
    }

    /// `STRUCT<name STRING>` as a type.
    fn supports_struct_literal(&self) -> bool {
        true
    }

    /// `MAP<STRING, INT>` as a type.
    fn supports_map_literal_with_angle_brackets(&self) -> bool {
        true
    }

    /// `STRUCT(…)` is read as a call; the library would read a literal of another shape. `x => …` and `(x, y) => …` are
    /// functions.
    fn parse_prefix(&self, parser: &mut Parser<'_>) -> Option<Result<Expr, ParserError>> {
        if let Some(lambda) = super::lambda::lambda(parser) {
            return Some(lambda);
        }
        let is_struct = matches!(&parser.peek_token_ref().token, Token::Word(word) if word.keyword == Keyword::STRUCT && word.quote_style.is_none());
        if !is_struct || parser.peek_nth_token_ref(1).token != Token::LParen {
            return None;
        }
        let name = parser.parse_object_name(false);
        Some(name.and_then(|name| parser.parse_function(name)))
    }

    fn parse_infix(&self, parser: &mut Parser<'_>, of: &Expr, _: u8) -> Option<Result<Expr, ParserError>> {
        if parser.peek_token_ref().token == Token::Arrow && parser.peek_nth_token_ref(1).token == Token::Mul {
            parser.next_token();
            let all = Box::new(Expr::Identifier(Ident::with_span(parser.next_token().span, ALL_FIELDS)));
            return Some(Ok(Expr::BinaryOp {
                left: Box::new(of.clone()),
                op: BinaryOperator::Arrow,
                right: all,
            }));
        }
        self.operators.set(self.operators.get() + 1);
        let is_too_long = self.operators.get() > OPERATORS_MAX;
        let said = format!("a statement has at most {OPERATORS_MAX} operators; write a list as IN (…)");
        is_too_long.then_some(Err(ParserError::ParserError(said)))
    }

    /// `a->b` takes a field, so it binds like a dot.
    fn get_next_precedence(&self, parser: &Parser<'_>) -> Option<Result<u8, ParserError>> {
        match parser.peek_token_ref().token {
            Token::Arrow => Some(Ok(self.prec_value(Precedence::Period))),
            Token::Assignment | Token::RArrow => Some(Ok(0)),
            // Like plus, which puts texts together too.
            Token::StringConcat => Some(Ok(self.prec_value(Precedence::PlusMinus))),
            _ => None,
        }
    }
}

/// What stands behind `->` for all fields of a struct.
pub(super) const ALL_FIELDS: &str = "*";
