use millstream_model::{Column, Type, Value};
use rust_decimal::Decimal;
use sqlparser::ast::{
    self as sql, BinaryOperator, DataType, ExactNumberInfo, FunctionArg, FunctionArgExpr, FunctionArguments,
    Spanned, UnaryOperator,
};
use sqlparser::parser::Parser;

use super::{Parsed, between, here, refused};
use crate::ast::{At, BinaryOp, Expr};
use crate::diagnostic::{Diagnostic, Span};

/// Reads an expression.
pub(super) fn expression(parser: &mut Parser<'_>) -> Parsed<At<Expr>> {
    let here = here(parser);
    let parsed = parser.parse_expr().map_err(|error| refused(error, here))?;
    convert(&parsed, here)
}

/// Reads a type.
pub(super) fn data_type(parser: &mut Parser<'_>) -> Parsed<Type> {
    let here = here(parser);
    let parsed = parser.parse_data_type().map_err(|error| refused(error, here))?;
    type_of(&parsed, here)
}

fn not_yet(what: impl std::fmt::Display, span: Span) -> Diagnostic {
    Diagnostic::new(span, format!("{what} can't be run"))
}

fn convert(expr: &sql::Expr, otherwise: Span) -> Parsed<At<Expr>> {
    let own = between(expr.span());
    // Literals and some functions carry no place; the nearest known one is near enough.
    let span = if own.line == 0 { otherwise } else { own };
    let boxed = |expr: &sql::Expr| convert(expr, span).map(Box::new);
    let node = match expr {
        sql::Expr::Nested(inner) => return convert(inner, span),
        sql::Expr::Identifier(name) => Expr::Column(None, folded(name)),
        sql::Expr::CompoundIdentifier(names) => compound(names, span)?,
        sql::Expr::Value(value) => Expr::Literal(literal(&value.value, span)?),
        sql::Expr::BinaryOp { left, op: BinaryOperator::Arrow, right } => match &**right {
            sql::Expr::Identifier(field) => Expr::Field(boxed(left)?, folded(field)),
            _ => return Err(Diagnostic::new(span, "expected a field's name behind '->'")),
        },
        sql::Expr::BinaryOp { left, op, right } => {
            Expr::Binary(boxed(left)?, binary(op, span)?, boxed(right)?)
        }
        sql::Expr::UnaryOp { op: UnaryOperator::Not, expr } => Expr::Not(boxed(expr)?),
        sql::Expr::UnaryOp { op: UnaryOperator::Minus, expr } => Expr::Negate(boxed(expr)?),
        sql::Expr::UnaryOp { op: UnaryOperator::Plus, expr } => return convert(expr, span),
        sql::Expr::IsNull(inner) => Expr::IsNull(boxed(inner)?, false),
        sql::Expr::IsNotNull(inner) => Expr::IsNull(boxed(inner)?, true),
        sql::Expr::Like { negated, expr, pattern, escape_char: None, .. } => {
            negated_if(*negated, Expr::Binary(boxed(expr)?, BinaryOp::Like, boxed(pattern)?), span)
        }
        sql::Expr::Between { expr, negated, low, high } => {
            let at_least = Expr::Binary(boxed(expr)?, BinaryOp::GtEq, boxed(low)?);
            let at_most = Expr::Binary(boxed(expr)?, BinaryOp::LtEq, boxed(high)?);
            let both = Expr::Binary(at(at_least, span), BinaryOp::And, at(at_most, span));
            negated_if(*negated, both, span)
        }
        sql::Expr::InList { expr, list, negated } => {
            let mut any = Expr::Literal(Value::Boolean(false));
            for item in list {
                let equal = Expr::Binary(boxed(expr)?, BinaryOp::Eq, boxed(item)?);
                any = Expr::Binary(at(any, span), BinaryOp::Or, at(equal, span));
            }
            negated_if(*negated, any, span)
        }
        sql::Expr::Case { operand, conditions, else_result, .. } => {
            let when = |case: &sql::CaseWhen| {
                let condition = convert(&case.condition, span)?;
                let condition = match operand {
                    Some(operand) => {
                        *at(Expr::Binary(boxed(operand)?, BinaryOp::Eq, Box::new(condition)), span)
                    }
                    None => condition,
                };
                Ok((condition, convert(&case.result, span)?))
            };
            let cases = conditions.iter().map(when).collect::<Parsed<Vec<_>>>()?;
            Expr::Case(cases, else_result.as_deref().map(boxed).transpose()?)
        }
        sql::Expr::Cast { expr, data_type, .. } => Expr::Cast(boxed(expr)?, type_of(data_type, span)?),
        sql::Expr::Trim { expr, trim_where: None, trim_what: None, .. } => {
            Expr::Call("TRIM".to_owned(), vec![convert(expr, span)?])
        }
        sql::Expr::Substring { expr, substring_from: Some(from), substring_for, .. } => {
            let rest = substring_for.as_deref().map(|length| convert(length, span)).transpose()?;
            Expr::Call(
                "SUBSTRING".to_owned(),
                [convert(expr, span)?, convert(from, span)?].into_iter().chain(rest).collect(),
            )
        }
        sql::Expr::Function(function) => call(function, span)?,
        other => return Err(not_yet(format!("'{other}'"), span)),
    };
    Ok(At { node, span })
}

fn at(node: Expr, span: Span) -> Box<At<Expr>> {
    Box::new(At { node, span })
}

fn negated_if(negated: bool, expr: Expr, span: Span) -> Expr {
    if negated { Expr::Not(at(expr, span)) } else { expr }
}

fn folded(name: &sql::Ident) -> String {
    if name.quote_style.is_some() { name.value.clone() } else { name.value.to_uppercase() }
}

fn compound(names: &[sql::Ident], span: Span) -> Parsed<Expr> {
    match names {
        [source, column] => Ok(Expr::Column(Some(folded(source)), folded(column))),
        _ => Err(Diagnostic::new(span, "a name has at most a source and a column")
            .help("take a struct's field with '->'")),
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
        return digits.parse().map(Value::Double).map_err(|_| too_large());
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
        other => return Err(not_yet(format!("the operator '{other}'"), span)),
    })
}

fn call(function: &sql::Function, span: Span) -> Parsed<Expr> {
    let name = function.name.to_string().to_uppercase();
    let arguments = match &function.args {
        FunctionArguments::None => &[][..],
        FunctionArguments::List(list) if list.duplicate_treatment.is_none() => &list.args,
        _ => return Err(not_yet(format!("this form of {name}"), span)),
    };
    if name == "STRUCT" {
        return arguments
            .iter()
            .map(|argument| field(argument, span))
            .collect::<Parsed<_>>()
            .map(Expr::Struct);
    }
    let argument = |argument: &FunctionArg| match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(Some(convert(expr, span)?)),
        // COUNT(*) counts rows, and looks at no column.
        FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "COUNT" => Ok(None),
        other => Err(not_yet(format!("the argument '{other}' of {name}"), span)),
    };
    let arguments = arguments.iter().map(argument).collect::<Parsed<Vec<_>>>()?;
    Ok(Expr::Call(name.clone(), arguments.into_iter().flatten().collect()))
}

fn field(argument: &FunctionArg, span: Span) -> Parsed<(String, At<Expr>)> {
    match argument {
        FunctionArg::Named { name, arg: FunctionArgExpr::Expr(expr), .. } => {
            Ok((folded(name), convert(expr, span)?))
        }
        other => Err(Diagnostic::new(span, format!("'{other}' is no field of a struct"))
            .help("write STRUCT(name := value, …)")),
    }
}

fn type_of(parsed: &DataType, span: Span) -> Parsed<Type> {
    Ok(match parsed {
        DataType::Boolean | DataType::Bool => Type::Boolean,
        DataType::Int(_) | DataType::Integer(_) => Type::Int,
        DataType::BigInt(_) => Type::Bigint,
        DataType::Double(_) | DataType::DoublePrecision => Type::Double,
        DataType::String(_) | DataType::Varchar(_) => Type::String,
        DataType::Timestamp(..) => Type::Timestamp,
        DataType::Decimal(ExactNumberInfo::PrecisionAndScale(precision, scale)) => {
            decimal(*precision, *scale, span)?
        }
        DataType::Decimal(ExactNumberInfo::Precision(precision)) => decimal(*precision, 0, span)?,
        DataType::Custom(name, _) if name.to_string().eq_ignore_ascii_case("BYTES") => Type::Bytes,
        DataType::Bytes(_) => Type::Bytes,
        DataType::Array(sql::ArrayElemTypeDef::AngleBracket(item)) => {
            Type::Array(Box::new(type_of(item, span)?))
        }
        DataType::Struct(fields, _) => {
            let field = |field: &sql::StructField| {
                let name = field.field_name.as_ref().map(folded).unwrap_or_default();
                Ok(Column::new(name, type_of(&field.field_type, span)?))
            };
            Type::Struct(fields.iter().map(field).collect::<Parsed<_>>()?)
        }
        other => return Err(not_yet(format!("the type {other}"), span)),
    })
}

fn decimal(precision: u64, scale: i64, span: Span) -> Parsed<Type> {
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=28), Ok(scale)) if scale <= precision => Ok(Type::Decimal { precision, scale }),
        _ => Err(Diagnostic::new(
            span,
            format!(
                "DECIMAL({precision}, {scale}) has not 1 to 28 digits, at most all of them behind the point"
            ),
        )),
    }
}
