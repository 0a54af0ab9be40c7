//! Names and types: an expression as written becomes one over a row's columns.

mod call;
mod coerce;
mod compare;
mod construct;
mod scope;
mod typing;

use millstream_model::{Type, Value};

pub(crate) use call::{given, taken};
pub use scope::Scope;
pub(crate) use typing::widened;

use crate::aggregate::is_aggregate;
use crate::ast::{At, BinaryOp, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, Conversion, Operation};
use crate::functions::Functions;
use crate::parse::parse_expression;
use crate::tables::is_table_function;
pub(crate) use coerce::assigned;
use coerce::{is_null, unified};
use typing::{kind, literal_type};

pub(crate) type Typed = Result<(Bound, Type), Diagnostic>;

/// What an expression stands for where it is not bound part by part: a column, or what a query computes beforehand.
pub(crate) type Resolve<'r> = dyn FnMut(&At<Expr>) -> Option<Typed> + 'r;

/// Binds an expression over a scope's columns, and finds its type.
///
/// # Errors
/// The first name or type that does not fit.
pub(crate) fn bind(scope: &Scope, at: &At<Expr>) -> Typed {
    bind_with(scope.functions(), at, &mut |at| match &at.node {
        Expr::Column(source, name) => Some(scope.column(source.as_deref(), name, at)),
        Expr::Call(name, _) if is_aggregate(name) => {
            let said = format!("{name} puts many rows together, which is done only in a query with GROUP BY");
            Some(Err(Diagnostic::new(at.span, said)))
        }
        Expr::Call(name, _) if is_table_function(name) => {
            let said =
                format!("{name} makes several rows of one, which is done only by what a query selects");
            Some(Err(Diagnostic::new(at.span, said)))
        }
        _ => None,
    })
}

/// Reads and binds a text that is one expression over a scope's columns, and finds its type.
///
/// # Errors
/// The first mistake in it.
pub fn expression(scope: &Scope, text: &str) -> Result<(Bound, Type), Diagnostic> {
    bind(scope, &parse_expression(text)?)
}

/// Binds an expression whose parts `resolve` may know.
pub(crate) fn bind_with(functions: &Functions, at: &At<Expr>, resolve: &mut Resolve<'_>) -> Typed {
    Binder { functions, resolve, variables: Vec::new() }.bind(at)
}

/// What is known while an expression is bound.
struct Binder<'b, 'r> {
    functions: &'b Functions,
    resolve: &'b mut Resolve<'r>,
    /// Those of the lambdas around, the outermost first.
    variables: Vec<(String, Type)>,
}

impl Binder<'_, '_> {
    fn bind(&mut self, at: &At<Expr>) -> Typed {
        if let Some(variable) = self.variable(at) {
            return Ok(variable);
        }
        if let Some(known) = (self.resolve)(at) {
            return known;
        }
        // Chains of operators are what gets deep, so that they need little of the stack.
        match &at.node {
            Expr::Binary(left, op, right) => {
                let is_moment = is_moment(left) || is_moment(right);
                let (left, right) = (self.bind(left)?, self.bind(right)?);
                let (left, right) = if is_moment { (counted(left), counted(right)) } else { (left, right) };
                binary(left, *op, right, at)
            }
            _ => self.single(at),
        }
    }

    fn variable(&self, at: &At<Expr>) -> Option<(Bound, Type)> {
        let Expr::Column(None, name) = &at.node else { return None };
        let place = self.variables.iter().rposition(|(known, _)| known == name)?;
        self.variables.get(place).map(|(_, ty)| (Bound::Variable(place), ty.clone()))
    }

    fn single(&mut self, at: &At<Expr>) -> Typed {
        match &at.node {
            Expr::Column(_, name) => Err(Diagnostic::new(at.span, format!("there is no column {name}"))),
            Expr::Literal(value) => Ok((Bound::Literal(value.clone()), literal_type(value))),
            Expr::Field(of, field) => construct::take_field(self.bind(of)?, field, at),
            Expr::Binary(..) => self.bind(at),
            Expr::Not(of) => Ok((Bound::Not(Box::new(self.truth(of)?)), Type::Boolean)),
            Expr::Negate(of) => match self.bind(of)? {
                (of, ty) if ty.is_number() => Ok((folded(Bound::Negate(Box::new(of))), ty)),
                (_, ty) => Err(Diagnostic::new(at.span, format!("{ty} has no sign"))),
            },
            Expr::In(of, list) => self.is_in(of, list, at),
            Expr::Like(of, pattern, escape) => self.like(of, pattern, *escape, at),
            Expr::IsNull(of, negated) => {
                Ok((Bound::IsNull(Box::new(self.bind(of)?.0), *negated), Type::Boolean))
            }
            Expr::Case(cases, otherwise) => self.case(cases, otherwise.as_deref(), at),
            Expr::Cast(of, ty) => cast(self.bind(of)?, ty, at),
            Expr::Call(name, arguments) => self.call(name, arguments, at),
            Expr::Lambda(..) => {
                Err(Diagnostic::new(at.span, "a lambda stands only where a function takes one"))
            }
            Expr::Struct(fields) => self.structure(fields, at),
            Expr::Array(elements) => self.array(elements, at),
            Expr::Map(entries) => self.map(entries, at),
            Expr::Index(of, index) => construct::take_element(self.bind(of)?, self.bind(index)?, at),
        }
    }

    fn bind_all<'e>(
        &mut self,
        all: impl IntoIterator<Item = &'e At<Expr>>,
    ) -> Result<Vec<(Bound, Type)>, Diagnostic> {
        all.into_iter().map(|expr| self.bind(expr)).collect()
    }

    /// An expression that must be BOOLEAN; a bare NULL is.
    fn truth(&mut self, at: &At<Expr>) -> Result<Bound, Diagnostic> {
        match self.bind(at)? {
            (bound, Type::Boolean) => Ok(bound),
            (bound, _) if is_null(&bound) => Ok(bound),
            (_, ty) => Err(Diagnostic::new(at.span, format!("expected BOOLEAN, this is {ty}"))),
        }
    }

    fn case(&mut self, cases: &[(At<Expr>, At<Expr>)], otherwise: Option<&At<Expr>>, at: &At<Expr>) -> Typed {
        let checks = cases.iter().map(|(when, _)| self.truth(when)).collect::<Result<Vec<_>, _>>()?;
        let results = self.bind_all(cases.iter().map(|(_, then)| then).chain(otherwise))?;
        let (mut results, ty) = unified(results, at)?;
        let otherwise = if otherwise.is_some() { results.pop().map(Box::new) } else { None };
        Ok((Bound::Case(checks.into_iter().zip(results).collect(), otherwise), ty))
    }
}

fn binary(
    (left, left_type): (Bound, Type),
    op: BinaryOp,
    (right, right_type): (Bound, Type),
    at: &At<Expr>,
) -> Typed {
    if let Some(comparison) = compare::comparison(op) {
        return compare::compared(comparison, (left, left_type), (right, right_type), at);
    }
    let refused = |left: &Type, right: &Type| {
        Diagnostic::new(at.span, format!("{} does not take {left} and {right}", op.symbol()))
            .help("convert one with CAST")
    };
    let texts = left_type == Type::String && right_type == Type::String;
    let sides = Box::new((left, right));
    match (op, Operation::of(op)) {
        (BinaryOp::And | BinaryOp::Or, _) => {
            let is_truth = |bound: &Bound, ty: &Type| *ty == Type::Boolean || is_null(bound);
            if !is_truth(&sides.0, &left_type) || !is_truth(&sides.1, &right_type) {
                return Err(refused(&left_type, &right_type));
            }
            let bound = if op == BinaryOp::And { Bound::And(sides) } else { Bound::Or(sides) };
            Ok((bound, Type::Boolean))
        }
        (BinaryOp::Add | BinaryOp::Concat, _) if texts => Ok((folded(Bound::Concat(sides)), Type::String)),
        (_, Some(operation)) if !is_null(&sides.0) && !is_null(&sides.1) => {
            let kind =
                kind(operation, &left_type, &right_type).ok_or_else(|| refused(&left_type, &right_type))?;
            Ok((folded(Bound::Arithmetic(operation, kind, sides)), kind.result()))
        }
        _ => Err(refused(&left_type, &right_type)),
    }
}

/// Whether an expression is a column that tells a time in milliseconds.
fn is_moment(at: &At<Expr>) -> bool {
    matches!(&at.node, Expr::Column(_, name) if matches!(name.as_str(), "ROWTIME" | "WINDOWSTART" | "WINDOWEND"))
}

/// A text beside a time in milliseconds is read as a moment.
fn counted((bound, ty): (Bound, Type)) -> (Bound, Type) {
    let millis = match &bound {
        Bound::Literal(Value::String(text)) => crate::time::moment_of(text.trim()),
        _ => None,
    };
    millis.map_or((bound, ty), |millis| (Bound::Literal(Value::Bigint(millis)), Type::Bigint))
}

/// What is the same in every row is computed once. What fails is left to fail where it stands, and what is null keeps its
/// type by staying what it is.
fn folded(bound: Bound) -> Bound {
    if !bound.is_constant() {
        return bound;
    }
    match bound.try_eval(&[]) {
        Ok(Value::Null) | Err(_) => bound,
        Ok(value) => Bound::Literal(value),
    }
}

fn cast((of, from): (Bound, Type), to: &Type, at: &At<Expr>) -> Typed {
    let conversion = if is_null(&of) { Some(Conversion::Same) } else { Conversion::between(&from, to) };
    let conversion =
        conversion.ok_or_else(|| Diagnostic::new(at.span, format!("{from} can't be cast to {to}")))?;
    // A null keeps its cast, which is what gives it a type.
    let bound = Bound::Cast(Box::new(of), Box::new(conversion), to.clone());
    Ok((
        if from == *to || matches!(&bound, Bound::Cast(of, ..) if is_null(of)) {
            bound
        } else {
            folded(bound)
        },
        to.clone(),
    ))
}

/// The value of an expression that is the same in every row.
pub(crate) fn constant(bound: &Bound) -> Option<Value> {
    if bound.is_constant() { bound.try_eval(&[]).ok() } else { None }
}
