use std::collections::BTreeMap;

use millstream_model::{Column, Type};
use sqlparser::ast::{self as sql, DataType, ExactNumberInfo};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::expression::folded;
use super::{Parsed, here, is_said, refused};
use crate::diagnostic::{Diagnostic, Span};

/// Types that statements have given names to.
pub(crate) type Types = BTreeMap<String, Type>;

/// Reads a type.
pub(super) fn data_type(parser: &mut Parser<'_>, types: &Types) -> Parsed<Type> {
    let here = here(parser);
    let parsed = parser.parse_data_type().map_err(|error| refused(error, here))?;
    named(&parsed, here, types)
}

/// A type, where only the language's own have names.
pub(super) fn type_of(parsed: &DataType, span: Span) -> Parsed<Type> {
    named(parsed, span, &Types::new())
}

fn named(parsed: &DataType, span: Span, types: &Types) -> Parsed<Type> {
    let type_of = |parsed: &DataType, span| named(parsed, span, types);
    Ok(match parsed {
        DataType::Boolean | DataType::Bool => Type::Boolean,
        DataType::Int(None) | DataType::Integer(None) => Type::Int,
        DataType::BigInt(None) => Type::Bigint,
        DataType::Double(_) | DataType::DoublePrecision => Type::Double,
        DataType::String(_) | DataType::Varchar(_) => Type::String,
        DataType::Timestamp(..) => Type::Timestamp,
        DataType::Date => Type::Date,
        DataType::Time(..) => Type::Time,
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
        DataType::Map(key, value, _) => {
            Type::Map(Box::new(type_of(key, span)?), Box::new(type_of(value, span)?))
        }
        DataType::Custom(name, modifiers) => match custom(name, modifiers, types) {
            Some(ty) => ty.clone(),
            None => return Err(Diagnostic::new(span, format!("there is no type {name}"))),
        },
        other => return Err(Diagnostic::new(span, format!("there is no type {other}"))),
    })
}

/// The tokens of a statement, where a CAST to a type of a given name says what that type is: expressions are read without
/// knowing any.
pub(super) fn spelled_out(tokens: &[TokenWithSpan], types: &Types) -> Vec<TokenWithSpan> {
    if types.is_empty() {
        return tokens.to_vec();
    }
    let mut casts = Casts::default();
    let mut out = Vec::new();
    for (place, token) in tokens.iter().enumerate() {
        casts.pass(&token.token);
        let next = tokens.iter().skip(place + 1).find(|next| is_said(next)).map(|next| &next.token);
        // A word with another behind it is a field's name.
        let is_type = casts.is_at_type() && !matches!(next, Some(Token::Word(_)));
        let ty = match &token.token {
            Token::Word(word) if is_type => types.get(&super::folded(word)),
            _ => None,
        };
        let written = ty.and_then(|ty| super::tokens(&written(ty)).ok());
        match written {
            Some(written) => {
                out.extend(written.into_iter().map(|of| TokenWithSpan { span: token.span, ..of }))
            }
            None => out.push(token.clone()),
        }
    }
    out
}

/// The CASTs that a place in a statement stands in: how many parentheses each is in, and whether its type has begun.
#[derive(Default)]
struct Casts {
    depth: usize,
    is_next: bool,
    open: Vec<(usize, bool)>,
}

impl Casts {
    fn pass(&mut self, token: &Token) {
        match token {
            Token::LParen => {
                self.depth += 1;
                if std::mem::take(&mut self.is_next) {
                    self.open.push((self.depth, false));
                }
            }
            Token::RParen => {
                self.open.pop_if(|(depth, _)| *depth == self.depth);
                self.depth = self.depth.saturating_sub(1);
            }
            Token::Word(word) if word.quote_style.is_none() => {
                self.is_next = word.value.eq_ignore_ascii_case("CAST");
                let is_as = word.value.eq_ignore_ascii_case("AS");
                if let Some((_, begun)) =
                    self.open.last_mut().filter(|(depth, _)| is_as && *depth == self.depth)
                {
                    *begun = true;
                }
            }
            _ => {}
        }
    }

    fn is_at_type(&self) -> bool {
        self.open.last().is_some_and(|(_, begun)| *begun)
    }
}

/// A type as a statement writes it, whatever its fields are called.
fn written(ty: &Type) -> String {
    match ty {
        Type::Array(item) => format!("ARRAY<{}>", written(item)),
        Type::Map(key, value) => format!("MAP<{}, {}>", written(key), written(value)),
        Type::Struct(fields) => {
            let field =
                |field: &Column| format!("`{}` {}", field.name.replace('`', "``"), written(&field.ty));
            format!("STRUCT<{}>", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        plain => plain.to_string(),
    }
}

/// The type that a statement has given this name to.
fn custom<'t>(name: &sql::ObjectName, modifiers: &[String], types: &'t Types) -> Option<&'t Type> {
    match name.0.as_slice() {
        [sql::ObjectNamePart::Identifier(name)] if modifiers.is_empty() => types.get(&folded(name)),
        _ => None,
    }
}

fn decimal(precision: u64, scale: i64, span: Span) -> Parsed<Type> {
    match (u8::try_from(precision), u8::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision => Ok(Type::Decimal { precision, scale }),
        _ => Err(Diagnostic::new(
            span,
            format!(
                "DECIMAL({precision}, {scale}) has not 1 to 38 digits, at most all of them behind the point"
            ),
        )),
    }
}
