use millstream_model::{Column, Type};

use super::coerce::{is_null, unified};
use super::{Binder, Typed};
use crate::ast::{At, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, Conversion};

pub(super) fn take_field((of, ty): (Bound, Type), field: &str, at: &At<Expr>) -> Typed {
    let Type::Struct(fields) = &ty else {
        return Err(Diagnostic::new(at.span, format!("{ty} has no fields")));
    };
    let found = fields.iter().position(|candidate| candidate.name == field);
    let found =
        found.or_else(|| fields.iter().position(|candidate| candidate.name.eq_ignore_ascii_case(field)));
    match found.and_then(|index| Some((index, fields.get(index)?.ty.clone()))) {
        Some((index, ty)) => Ok((Bound::Field(Box::new(of), index), ty)),
        None => Err(Diagnostic::new(at.span, format!("there is no field {field} in {ty}"))),
    }
}

pub(super) fn take_element(
    (of, ty): (Bound, Type),
    (index, index_type): (Bound, Type),
    at: &At<Expr>,
) -> Typed {
    let (index, element) = match (ty, &index_type) {
        (Type::Array(element), Type::Int | Type::Bigint) => (index, *element),
        (Type::Map(key, value), given) if *key == *given => (index, *value),
        (Type::Map(key, value), given) if key.is_number() && given.is_number() => {
            let conversion = Conversion::between(given, &key).map(Box::new);
            let conversion = conversion.unwrap_or_else(|| Box::new(Conversion::Same));
            (Bound::Cast(Box::new(index), conversion, *key), *value)
        }
        (Type::Array(_), _) => {
            return Err(Diagnostic::new(at.span, format!("an array's index is INT, this is {index_type}")));
        }
        (Type::Map(key, _), _) => {
            return Err(Diagnostic::new(at.span, format!("the map's key is {key}, this is {index_type}")));
        }
        (ty @ Type::Struct(_), _) => {
            return Err(
                Diagnostic::new(at.span, format!("{ty} has no elements")).help("take a field with '->'")
            );
        }
        (ty, _) => return Err(Diagnostic::new(at.span, format!("{ty} has no elements"))),
    };
    Ok((Bound::Index(Box::new((of, index))), element))
}

impl Binder<'_, '_> {
    pub(super) fn array(&mut self, elements: &[At<Expr>], at: &At<Expr>) -> Typed {
        if elements.is_empty() {
            return Err(Diagnostic::new(at.span, "an empty array is of no type")
                .help("write CAST(NULL AS ARRAY<…>), or put an element in"));
        }
        let (elements, ty) = unified(self.bind_all(elements)?, at)?;
        Ok((Bound::Array(elements), Type::Array(Box::new(ty))))
    }

    pub(super) fn structure(&mut self, fields: &[(String, At<Expr>)], at: &At<Expr>) -> Typed {
        let twin = fields
            .iter()
            .enumerate()
            .find(|(index, (name, _))| fields.iter().take(*index).any(|(other, _)| other == name));
        if let Some((_, (name, value))) = twin {
            return Err(Diagnostic::new(value.span, format!("a second field is called {name}")));
        }
        if fields.is_empty() {
            return Err(Diagnostic::new(at.span, "a struct has a field or more"));
        }
        let bound = self.bind_all(fields.iter().map(|(_, value)| value))?;
        if let Some((_, (name, value))) = bound.iter().zip(fields).find(|((bound, _), _)| is_null(bound)) {
            return Err(Diagnostic::new(
                value.span,
                format!("the field {name} is NULL, which is of no type"),
            )
            .help("write CAST(NULL AS …)"));
        }
        let (values, types): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
        let columns = fields.iter().zip(types).map(|((name, _), ty)| Column::new(name.as_str(), ty));
        Ok((Bound::Struct(values), Type::Struct(columns.collect())))
    }

    pub(super) fn map(&mut self, entries: &[(At<Expr>, At<Expr>)], at: &At<Expr>) -> Typed {
        if entries.is_empty() {
            return Err(Diagnostic::new(at.span, "an empty map is of no type").help("put an entry in"));
        }
        let (keys, key_type) = unified(self.bind_all(entries.iter().map(|(key, _)| key))?, at)?;
        let (values, ty) = unified(self.bind_all(entries.iter().map(|(_, value)| value))?, at)?;
        let entries = keys.into_iter().zip(values).collect();
        Ok((Bound::Map(entries), Type::Map(Box::new(key_type), Box::new(ty))))
    }
}
