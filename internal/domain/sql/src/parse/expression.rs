use millstream_model::{Decimal, Value};
use sqlparser::ast::{self as sql, AccessExpr, BinaryOperator, Spanned, Subscript, UnaryOperator};
use sqlparser::parser::Parser;

use super::call::call;
use super::type_name::type_of;
use super::{Parsed, between, here, refused};
use crate::ast::{At, BinaryOp, Expr};
use crate::diagnostic::{Diagnostic, Span};

/// Reads an expression.
pub(super) fn expression(parser: &mut Parser<'_>) -> Parsed<At<Expr>> {
    let here = here(parser);
    let parsed = parser.parse_expr().map_err(|error| refused(error, here))?;
    convert(&parsed, here)
}

pub(super) fn not_yet(what: impl std::fmt::Display, span: Span) -> Diagnostic {
    Diagnostic::new(span, format!("{what} can't be run"))
}

pub(super) fn convert(expr: &sql::Expr, otherwise: Span) -> Parsed<At<Expr>> {
    let own = between(expr.span());
    // Some functions carry no place; the nearest known one is near enough.
    let span = if own.line == 0 { otherwise } else { own };
    // Chains of operators are what gets deep, so that they have a function that needs little of the stack.
    match expr {
        sql::Expr::BinaryOp { left, op, right } if *op != BinaryOperator::Arrow => {
            chained(left, op, right, span)
        }
        _ => single(expr, span),
    }
}

fn chained(left: &sql::Expr, op: &BinaryOperator, right: &sql::Expr, span: Span) -> Parsed<At<Expr>> {
    let op = binary(op, span)?;
    let (left, right) = (convert(left, span)?, convert(right, span)?);
    Ok(At { node: Expr::Binary(Box::new(left), op, Box::new(right)), span })
}

fn single(expr: &sql::Expr, span: Span) -> Parsed<At<Expr>> {
    let boxed = |expr: &sql::Expr| convert(expr, span).map(Box::new);
    let node = match expr {
        sql::Expr::Nested(inner) => return convert(inner, span),
        sql::Expr::Identifier(name) => Expr::Column(None, folded(name)),
        sql::Expr::CompoundIdentifier(names) => compound(names, span)?,
        sql::Expr::Value(value) => Expr::Literal(literal(&value.value, span)?),
        sql::Expr::CompoundFieldAccess { root, access_chain } => {
            let (root, chain) = qualified(root, access_chain, span)?;
            return accessed(root, chain, span);
        }
        sql::Expr::BinaryOp { left, op: BinaryOperator::Arrow, right } => {
            return field(convert(left, span)?, right, span);
        }
        sql::Expr::UnaryOp { op: UnaryOperator::Not, expr } => Expr::Not(boxed(expr)?),
        sql::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => negated(expr, span)?,
        sql::Expr::UnaryOp { op: UnaryOperator::Plus, expr } => return convert(expr, span),
        sql::Expr::IsNull(inner) => Expr::IsNull(boxed(inner)?, false),
        sql::Expr::IsNotNull(inner) => Expr::IsNull(boxed(inner)?, true),
        sql::Expr::IsDistinctFrom(left, right) => {
            Expr::Binary(boxed(left)?, BinaryOp::Distinct, boxed(right)?)
        }
        sql::Expr::IsNotDistinctFrom(left, right) => {
            Expr::Binary(boxed(left)?, BinaryOp::NotDistinct, boxed(right)?)
        }
        sql::Expr::Like { negated, expr, pattern, escape_char, any: false } => {
            let escape = escape_char.as_deref().map(|escape| escape_of(escape, span)).transpose()?;
            negated_if(*negated, Expr::Like(boxed(expr)?, boxed(pattern)?, escape), span)
        }
        sql::Expr::Lambda(lambda) => {
            let names = lambda.params.iter().map(|parameter| folded(&parameter.name)).collect();
            Expr::Lambda(names, boxed(&lambda.body)?)
        }
        sql::Expr::Between { expr, negated, low, high } => {
            let at_least = Expr::Binary(boxed(expr)?, BinaryOp::GtEq, boxed(low)?);
            let at_most = Expr::Binary(boxed(expr)?, BinaryOp::LtEq, boxed(high)?);
            let both = Expr::Binary(
                Box::new(At { node: at_least, span }),
                BinaryOp::And,
                Box::new(At { node: at_most, span }),
            );
            negated_if(*negated, both, span)
        }
        sql::Expr::InList { expr, list, negated } => {
            negated_if(*negated, Expr::In(boxed(expr)?, converted(list, span)?), span)
        }
        sql::Expr::Case { operand, conditions, else_result, .. } => {
            case(operand.as_deref(), conditions, else_result.as_deref(), span)?
        }
        sql::Expr::Cast { kind: sql::CastKind::Cast, expr, data_type, format: None, .. } => {
            Expr::Cast(boxed(expr)?, type_of(data_type, span)?)
        }
        sql::Expr::Array(array) => Expr::Array(converted(&array.elem, span)?),
        sql::Expr::Function(function) => call(function, span)?,
        // A list without a name; only GROUP BY and PARTITION BY know what to do with it.
        sql::Expr::Tuple(parts) => Expr::Call(String::new(), converted(parts, span)?),
        other => builtin(other, span)?,
    };
    Ok(At { node, span })
}

fn converted(list: &[sql::Expr], span: Span) -> Parsed<Vec<At<Expr>>> {
    list.iter().map(|expr| convert(expr, span)).collect()
}

/// Functions that the library reads as syntax of their own.
fn builtin(expr: &sql::Expr, span: Span) -> Parsed<Expr> {
    let named = |name: &str, arguments: &[&sql::Expr]| {
        let arguments = arguments.iter().map(|argument| convert(argument, span)).collect::<Parsed<_>>()?;
        Ok(Expr::Call(name.to_owned(), arguments))
    };
    match expr {
        sql::Expr::Trim { expr, trim_where: None, trim_what: None, trim_characters: None } => {
            named("TRIM", &[expr])
        }
        sql::Expr::Substring { expr, substring_from: None, substring_for: None, .. } => {
            named("SUBSTRING", &[expr])
        }
        sql::Expr::Substring { expr, substring_from: Some(from), substring_for: None, .. } => {
            named("SUBSTRING", &[expr, from])
        }
        sql::Expr::Substring { expr, substring_from: Some(from), substring_for: Some(length), .. } => {
            named("SUBSTRING", &[expr, from, length])
        }
        sql::Expr::Ceil {
            expr,
            field: sql::CeilFloorKind::DateTimeField(sql::DateTimeField::NoDateTime),
        } => named("CEIL", &[expr]),
        sql::Expr::Floor {
            expr,
            field: sql::CeilFloorKind::DateTimeField(sql::DateTimeField::NoDateTime),
        } => named("FLOOR", &[expr]),
        other => Err(not_yet(format!("'{other}'"), span)),
    }
}

/// `value->field`; what stands behind the field's name, as in `value->field[1]`, goes on from it.
fn field(of: At<Expr>, name: &sql::Expr, span: Span) -> Parsed<At<Expr>> {
    let (name, chain) = match name {
        sql::Expr::CompoundFieldAccess { root, access_chain } => (&**root, access_chain.as_slice()),
        name => (name, &[][..]),
    };
    let sql::Expr::Identifier(name) = name else {
        return Err(Diagnostic::new(span, "expected a field's name behind '->'"));
    };
    accessed(At { node: Expr::Field(Box::new(of), folded(name)), span }, chain, span)
}

/// A column that is written with its source, as in `source.column[1]`, and what follows it.
fn qualified<'c>(
    root: &sql::Expr,
    chain: &'c [AccessExpr],
    span: Span,
) -> Parsed<(At<Expr>, &'c [AccessExpr])> {
    match (root, chain.split_first()) {
        (sql::Expr::Identifier(source), Some((AccessExpr::Dot(sql::Expr::Identifier(column)), rest))) => {
            let node = Expr::Column(Some(folded(source)), folded(column));
            Ok((At { node, span }, rest))
        }
        _ => Ok((convert(root, span)?, chain)),
    }
}

/// `value[index]`, any number of times.
fn accessed(root: At<Expr>, chain: &[AccessExpr], span: Span) -> Parsed<At<Expr>> {
    chain.iter().try_fold(root, |of, access| match access {
        AccessExpr::Subscript(Subscript::Index { index }) => {
            let index = convert(index, span)?;
            Ok(At { node: Expr::Index(Box::new(of), Box::new(index)), span })
        }
        _ => Err(Diagnostic::new(span, "a field is not taken with a dot").help("write '->' between them")),
    })
}

fn case(
    operand: Option<&sql::Expr>,
    conditions: &[sql::CaseWhen],
    otherwise: Option<&sql::Expr>,
    span: Span,
) -> Parsed<Expr> {
    let when = |case: &sql::CaseWhen| {
        let condition = convert(&case.condition, span)?;
        let condition = match operand {
            None => condition,
            Some(operand) => {
                let operand = Box::new(convert(operand, span)?);
                let place = condition.span;
                At { node: Expr::Binary(operand, BinaryOp::Eq, Box::new(condition)), span: place }
            }
        };
        Ok((condition, convert(&case.result, span)?))
    };
    let cases = conditions.iter().map(when).collect::<Parsed<Vec<_>>>()?;
    let otherwise = otherwise.map(|expr| convert(expr, span).map(Box::new)).transpose()?;
    Ok(Expr::Case(cases, otherwise))
}

fn negated_if(negated: bool, expr: Expr, span: Span) -> Expr {
    if negated { Expr::Not(Box::new(At { node: expr, span })) } else { expr }
}

pub(super) fn folded(name: &sql::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_uppercase() }
}

fn compound(names: &[sql::Ident], span: Span) -> Parsed<Expr> {
    match names {
        [source, column] => Ok(Expr::Column(Some(folded(source)), folded(column))),
        _ => Err(Diagnostic::new(span, "a name has at most a source and a column")
            .help("take a struct's field with '->'")),
    }
}

/// A minus sign is part of the number behind it: the least BIGINT has no positive twin.
fn negated(of: &sql::Expr, span: Span) -> Parsed<Expr> {
    match of {
        sql::Expr::Value(value) => match &value.value {
            sql::Value::Number(digits, _) => number(&format!("-{digits}"), span).map(Expr::Literal),
            _ => Ok(Expr::Negate(Box::new(convert(of, span)?))),
        },
        _ => Ok(Expr::Negate(Box::new(convert(of, span)?))),
    }
}

fn escape_of(escape: &sql::Expr, span: Span) -> Parsed<char> {
    let wrong = || Diagnostic::new(span, "ESCAPE takes a text of one character");
    let sql::Expr::Value(value) = escape else { return Err(wrong()) };
    let sql::Value::SingleQuotedString(text) = &value.value else { return Err(wrong()) };
    let mut characters = text.chars();
    match (characters.next(), characters.next()) {
        (Some(escape), None) => Ok(escape),
        _ => Err(wrong()),
    }
}

fn literal(value: &sql::Value, span: Span) -> Parsed<Value> {
    match value {
        sql::Value::Null => Ok(Value::Null),
        sql::Value::Boolean(value) => Ok(Value::Boolean(*value)),
        sql::Value::SingleQuotedString(text) => Ok(Value::text(text.as_str())),
        sql::Value::Number(digits, _) => number(digits, span),
        other => Err(not_yet(format!("the literal {other}"), span)),
    }
}

/// Whole numbers are INT, or BIGINT beyond 32 bits; a point makes a DECIMAL, an exponent a DOUBLE.
fn number(digits: &str, span: Span) -> Parsed<Value> {
    let too_large = || Diagnostic::new(span, format!("the number {digits} is out of range"));
    if digits.contains(['e', 'E']) {
        let number: f64 = digits.parse().map_err(|_| too_large())?;
        return number.is_finite().then_some(Value::Double(number)).ok_or_else(too_large);
    }
    if digits.contains('.') {
        return digits.parse::<Decimal>().map(Value::Decimal).map_err(|_| too_large());
    }
    let whole: i64 = digits.parse().map_err(|_| too_large())?;
    Ok(i32::try_from(whole).map_or(Value::Bigint(whole), Value::Int))
}

fn binary(op: &BinaryOperator, span: Span) -> Parsed<BinaryOp> {
    Ok(match op {
        BinaryOperator::And => BinaryOp::And,
        BinaryOperator::Or => BinaryOp::Or,
        BinaryOperator::Eq => BinaryOp::Eq,
        BinaryOperator::NotEq => BinaryOp::NotEq,
        BinaryOperator::Lt => BinaryOp::Lt,
        BinaryOperator::LtEq => BinaryOp::LtEq,
        BinaryOperator::Gt => BinaryOp::Gt,
        BinaryOperator::GtEq => BinaryOp::GtEq,
        BinaryOperator::Plus => BinaryOp::Add,
        BinaryOperator::Minus => BinaryOp::Subtract,
        BinaryOperator::Multiply => BinaryOp::Multiply,
        BinaryOperator::Divide => BinaryOp::Divide,
        BinaryOperator::Modulo => BinaryOp::Modulo,
        BinaryOperator::StringConcat => BinaryOp::Concat,
        other => return Err(not_yet(format!("the operator '{other}'"), span)),
    })
}
