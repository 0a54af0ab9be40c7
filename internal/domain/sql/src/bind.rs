//! Names and types: an expression as written becomes one over a row's columns.

use millstream_model::{Type, Value};

use crate::ast::{At, BinaryOp, Expr};
use crate::catalog::{PSEUDO, Source};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, function, number_type};

/// The columns a query can name, in the order of the row.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    columns: Vec<ScopeColumn>,
}

#[derive(Clone, Debug)]
struct ScopeColumn {
    source: String,
    name: String,
    ty: Type,
    is_pseudo: bool,
}

type Typed = Result<(Bound, Type), Diagnostic>;

impl Scope {
    /// A scope of plain columns.
    pub fn of(columns: &[(&str, Type)]) -> Self {
        let column = |(name, ty): &(&str, Type)| ScopeColumn {
            source: String::new(),
            name: (*name).to_owned(),
            ty: ty.clone(),
            is_pseudo: false,
        };
        Self { columns: columns.iter().map(column).collect() }
    }

    /// Adds a source's columns, under the name that the query gives it.
    pub(crate) fn add(&mut self, source: &Source, alias: &str) {
        let mut add = |name: &str, ty: &Type, is_pseudo| {
            self.columns.push(ScopeColumn {
                source: alias.to_owned(),
                name: name.to_owned(),
                ty: ty.clone(),
                is_pseudo,
            });
        };
        source.key.iter().chain(&source.value).for_each(|column| add(&column.name, &column.ty, false));
        PSEUDO.iter().for_each(|(name, ty)| add(name, ty, true));
    }

    /// Every column that `*` stands for, as `(source, name)`.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns
            .iter()
            .filter(|column| !column.is_pseudo)
            .map(|column| (column.source.as_str(), column.name.as_str()))
    }

    fn find(&self, source: Option<&str>, name: &str) -> Vec<(usize, &ScopeColumn)> {
        let fits = |column: &&ScopeColumn| {
            column.name == name && source.is_none_or(|source| column.source == source)
        };
        self.columns.iter().enumerate().filter(|(_, column)| fits(column)).collect()
    }

    fn column(&self, source: Option<&str>, name: &str, at: &At<Expr>) -> Typed {
        match self.find(source, name).as_slice() {
            [(index, column)] => Ok((Bound::Column(*index), column.ty.clone())),
            [] => Err(self.unknown(source, name, at)),
            _ => Err(Diagnostic::new(at.span, format!("column {name} is in both sources"))
                .help("write which one it is of, as in 'source.column'")),
        }
    }

    fn unknown(&self, source: Option<&str>, name: &str, at: &At<Expr>) -> Diagnostic {
        let mut names: Vec<_> =
            self.columns.iter().filter(|c| !c.is_pseudo).map(|c| c.name.as_str()).collect();
        names.dedup();
        let place = source.map_or_else(String::new, |source| format!(" in {source}"));
        Diagnostic::new(at.span, format!("there is no column {name}{place}"))
            .help(format!("the columns are {}", names.join(", ")))
    }
}

/// Binds an expression, and finds its type.
///
/// # Errors
/// The first name or type that does not fit.
pub fn bind(scope: &Scope, at: &At<Expr>) -> Typed {
    let inner = |expr: &At<Expr>| bind(scope, expr);
    let boxed = |expr: &At<Expr>| inner(expr).map(|(bound, ty)| (Box::new(bound), ty));
    match &at.node {
        Expr::Column(source, name) => scope.column(source.as_deref(), name, at),
        Expr::Literal(value) => Ok((Bound::Literal(value.clone()), literal_type(value))),
        Expr::Field(of, field) => take_field(inner(of)?, field, at),
        Expr::Binary(left, op, right) => {
            let ((left, left_type), (right, right_type)) = (boxed(left)?, boxed(right)?);
            let ty = binary_type(*op, &left_type, &right_type).ok_or_else(|| {
                Diagnostic::new(at.span, format!("{left_type} and {right_type} can't be put together so"))
            })?;
            Ok((Bound::Binary(left, *op, right), ty))
        }
        Expr::Not(of) => expect(boxed(of)?, &Type::Boolean, at).map(|of| (Bound::Not(of), Type::Boolean)),
        Expr::Negate(of) => match boxed(of)? {
            (of, ty) if ty.is_number() => Ok((Bound::Negate(of), ty)),
            (_, ty) => Err(Diagnostic::new(at.span, format!("a {ty} has no sign"))),
        },
        Expr::IsNull(of, negated) => boxed(of).map(|(of, _)| (Bound::IsNull(of, *negated), Type::Boolean)),
        Expr::Case(cases, otherwise) => case(scope, cases, otherwise.as_deref(), at),
        Expr::Cast(of, ty) => boxed(of).map(|(of, _)| (Bound::Cast(of, ty.clone()), ty.clone())),
        Expr::Call(name, arguments) => call(scope, name, arguments, at),
        Expr::Struct(fields) => {
            let bound = fields.iter().map(|(_, value)| inner(value)).collect::<Result<Vec<_>, _>>()?;
            let (values, types): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
            let columns = fields
                .iter()
                .zip(types)
                .map(|((name, _), ty)| millstream_model::Column::new(name.as_str(), ty))
                .collect();
            Ok((Bound::Struct(values), Type::Struct(columns)))
        }
    }
}

fn literal_type(value: &Value) -> Type {
    match value {
        Value::Boolean(_) => Type::Boolean,
        Value::Int(_) => Type::Int,
        Value::Bigint(_) => Type::Bigint,
        Value::Double(_) => Type::Double,
        Value::Decimal(value) => {
            Type::Decimal { precision: 28, scale: u8::try_from(value.scale()).unwrap_or(28) }
        }
        // A null fits every text; other types take it through CAST.
        _ => Type::String,
    }
}

fn take_field((of, ty): (Bound, Type), field: &str, at: &At<Expr>) -> Typed {
    let Type::Struct(fields) = &ty else {
        return Err(Diagnostic::new(at.span, format!("a {ty} has no fields")));
    };
    let found = fields.iter().position(|candidate| candidate.name == field);
    let found =
        found.or_else(|| fields.iter().position(|candidate| candidate.name.eq_ignore_ascii_case(field)));
    match found.and_then(|index| Some((index, fields.get(index)?.ty.clone()))) {
        Some((index, ty)) => Ok((Bound::Field(Box::new(of), index), ty)),
        None => Err(Diagnostic::new(at.span, format!("there is no field {field} in {ty}"))),
    }
}

fn binary_type(op: BinaryOp, left: &Type, right: &Type) -> Option<Type> {
    let comparable = left == right
        || number_type(left, right).is_some()
        || matches!((left, right), (Type::Timestamp, Type::Bigint) | (Type::Bigint, Type::Timestamp));
    match op {
        BinaryOp::And | BinaryOp::Or => {
            (*left == Type::Boolean && *right == Type::Boolean).then_some(Type::Boolean)
        }
        BinaryOp::Like => (*left == Type::String && *right == Type::String).then_some(Type::Boolean),
        BinaryOp::Eq | BinaryOp::NotEq | BinaryOp::Lt | BinaryOp::LtEq | BinaryOp::Gt | BinaryOp::GtEq => {
            comparable.then_some(Type::Boolean)
        }
        BinaryOp::Add if *left == Type::String && *right == Type::String => Some(Type::String),
        _ => number_type(left, right),
    }
}

fn expect((bound, ty): (Box<Bound>, Type), wanted: &Type, at: &At<Expr>) -> Result<Box<Bound>, Diagnostic> {
    if ty == *wanted {
        Ok(bound)
    } else {
        Err(Diagnostic::new(at.span, format!("expected a {wanted}, this is a {ty}")))
    }
}

fn case(scope: &Scope, cases: &[(At<Expr>, At<Expr>)], otherwise: Option<&At<Expr>>, at: &At<Expr>) -> Typed {
    let mut bound = Vec::new();
    let mut result = None;
    for (condition, value) in cases {
        let (check, ty) = bind(scope, condition)?;
        let check = expect((Box::new(check), ty), &Type::Boolean, condition)?;
        let (value, ty) = agreeing(bind(scope, value)?, &mut result, at)?;
        let _ = ty;
        bound.push((*check, value));
    }
    let otherwise = otherwise.map(|value| agreeing(bind(scope, value)?, &mut result, at)).transpose()?;
    Ok((Bound::Case(bound, otherwise.map(|(value, _)| Box::new(value))), result.unwrap_or(Type::String)))
}

/// All results of a CASE are of one type; a null takes any.
fn agreeing(bound: (Bound, Type), result: &mut Option<Type>, at: &At<Expr>) -> Typed {
    if bound.0 == Bound::Literal(Value::Null) {
        return Ok(bound);
    }
    match result {
        None => *result = Some(bound.1.clone()),
        Some(ty) if *ty == bound.1 => {}
        Some(ty) => match number_type(ty, &bound.1) {
            Some(wider) => *ty = wider,
            None => {
                return Err(Diagnostic::new(
                    at.span,
                    format!("the cases give both a {ty} and a {}", bound.1),
                ));
            }
        },
    }
    Ok(bound)
}

fn call(scope: &Scope, name: &str, arguments: &[At<Expr>], at: &At<Expr>) -> Typed {
    if crate::aggregate::is_aggregate(name) {
        return Err(Diagnostic::new(
            at.span,
            format!("{name} puts many rows together, which is done only in a query with GROUP BY"),
        ));
    }
    let function =
        function(name).ok_or_else(|| Diagnostic::new(at.span, format!("there is no function {name}")))?;
    let bound = arguments.iter().map(|argument| bind(scope, argument)).collect::<Result<Vec<_>, _>>()?;
    let (values, types): (Vec<_>, Vec<_>) = bound.into_iter().unzip();
    let ty = function.type_of(&types).map_err(|reason| Diagnostic::new(at.span, reason))?;
    Ok((Bound::Call(function, values), ty))
}
