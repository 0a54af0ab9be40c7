use std::sync::Arc;

use millstream_model::{Type, Value};

use super::coerce::is_null;
use super::{Binder, Typed, folded, widened};
use crate::ast::{At, Expr};
use crate::diagnostic::Diagnostic;
use crate::eval::{Bound, Conversion};
use crate::functions::{Filled, Function, Given, Shape};

/// An argument before the variant is known.
enum Argument<'e> {
    Value(Bound, Type),
    Lambda(&'e [String], &'e At<Expr>),
    Unit(i64),
}

impl Argument<'_> {
    fn given(&self) -> Given {
        match self {
            Self::Value(bound, ty) => given(bound, ty),
            Self::Lambda(variables, _) => Given::Lambda(variables.len()),
            Self::Unit(_) => Given::Unit,
        }
    }
}

/// The nanoseconds of a unit of time.
fn unit(name: &str) -> Option<i64> {
    let name = name.strip_suffix('S').unwrap_or(name);
    Some(match name {
        "DAY" => 86_400_000_000_000,
        "HOUR" => 3_600_000_000_000,
        "MINUTE" => 60_000_000_000,
        "SECOND" => 1_000_000_000,
        "MILLISECOND" => 1_000_000,
        _ => return None,
    })
}

impl Binder<'_, '_> {
    pub(super) fn call(&mut self, name: &str, arguments: &[At<Expr>], at: &At<Expr>) -> Typed {
        let function = self.functions.get(name).cloned().ok_or_else(|| {
            let near = nearest(name, self.functions.iter().map(|function| function.name()));
            let said = Diagnostic::new(at.span, format!("there is no function {name}"));
            near.map_or(said.clone(), |near| said.help(format!("did you mean {near}?")))
        })?;
        let arguments = arguments
            .iter()
            .map(|argument| self.argument(&function, argument))
            .collect::<Result<Vec<_>, _>>()?;
        let arguments = alike(&function, arguments);
        let given: Vec<_> = arguments.iter().map(Argument::given).collect();
        let resolved = function.resolve(&given).map_err(|said| {
            Diagnostic::new(at.span, said).help(format!("it is called as {}", function.ways()))
        })?;
        let shapes = resolved.shapes(arguments.len());
        let (mut values, mut lambdas, mut types) = (Vec::new(), Vec::new(), Vec::new());
        let mut filled = Filled::new();
        for (argument, shape) in arguments.into_iter().zip(shapes) {
            match argument {
                Argument::Value(bound, ty) => {
                    let (bound, ty) = taken(bound, ty, shape, &mut filled);
                    values.push(bound);
                    types.push(ty);
                }
                Argument::Unit(nanos) => values.push(Bound::Literal(Value::Bigint(nanos))),
                Argument::Lambda(variables, body) => {
                    lambdas.push(self.lambda(variables, body, shape, &mut filled)?);
                }
            }
        }
        let ty = resolved.returns(&filled, &types).ok_or_else(|| {
            Diagnostic::new(at.span, format!("the type of {name} can't be told from its arguments"))
                .help("give one of them a type with CAST")
        })?;
        let called = resolved.called(types);
        Ok((folded(Bound::Call(called, values, lambdas)), ty))
    }

    /// A unit of time is a bare word, where the function takes one.
    fn argument<'e>(
        &mut self,
        function: &Arc<Function>,
        at: &'e At<Expr>,
    ) -> Result<Argument<'e>, Diagnostic> {
        match &at.node {
            Expr::Lambda(variables, body) => Ok(Argument::Lambda(variables, body)),
            Expr::Column(None, name) if function.takes_unit() && unit(name).is_some() => {
                Ok(Argument::Unit(unit(name).unwrap_or_default()))
            }
            _ => self.bind(at).map(|(bound, ty)| Argument::Value(bound, ty)),
        }
    }

    /// A variable called like another one around it, or like a column, would hide it.
    fn is_new(&mut self, variable: &str, body: &At<Expr>) -> Result<(), Diagnostic> {
        let column = At { node: Expr::Column(None, variable.to_owned()), span: body.span };
        let is_known = self.variables.iter().any(|(known, _)| known == variable);
        if is_known || matches!((self.resolve)(&column), Some(Ok(_))) {
            let said =
                format!("the lambda's variable {variable} is called like a column or a variable around it");
            return Err(Diagnostic::new(body.span, said).help("give it another name"));
        }
        Ok(())
    }

    /// A lambda's body, with its variables of the types that the arguments before it have filled in.
    fn lambda(
        &mut self,
        variables: &[String],
        body: &At<Expr>,
        shape: &Shape,
        filled: &mut Filled,
    ) -> Result<Bound, Diagnostic> {
        let Shape::Lambda(of, to) = shape else {
            return Err(Diagnostic::new(body.span, "a lambda is not expected here"));
        };
        let outer = self.variables.len();
        for (variable, shape) in variables.iter().zip(of) {
            self.is_new(variable, body)?;
            let ty = shape.resolved(filled).ok_or_else(|| {
                Diagnostic::new(body.span, format!("the type of {variable} can't be told"))
                    .help("give the values before it a type with CAST")
            })?;
            self.variables.push((variable.clone(), ty));
        }
        let bound = self.bind(body);
        self.variables.truncate(outer);
        let (bound, ty) = bound?;
        if is_null(&bound) || to.takes(&ty, filled, false) {
            return Ok(bound);
        }
        match to.resolved(filled) {
            Some(wanted) if crate::functions::converts_to(&ty, &wanted) => Ok(converted(bound, &ty, &wanted)),
            wanted => {
                let wanted = wanted.map_or_else(|| to.to_string(), |wanted| wanted.to_string());
                Err(Diagnostic::new(body.span, format!("the lambda gives {ty}, and {wanted} is asked for")))
            }
        }
    }
}

/// Functions that choose among their arguments take numbers of several types as the widest of them.
fn alike<'e>(function: &Function, arguments: Vec<Argument<'e>>) -> Vec<Argument<'e>> {
    if !function.chooses() {
        return arguments;
    }
    let mut widest: Option<Type> = None;
    for argument in &arguments {
        let Argument::Value(bound, ty) = argument else { return arguments };
        if is_null(bound) {
            continue;
        }
        match widest.as_ref().map_or(Some(ty.clone()), |widest| widened(widest, ty)) {
            Some(ty) => widest = Some(ty),
            None => return arguments,
        }
    }
    let Some(widest) = widest else { return arguments };
    let convert = |argument| match argument {
        Argument::Value(bound, ty) if ty != widest && !is_null(&bound) => {
            Argument::Value(converted(bound, &ty, &widest), widest.clone())
        }
        argument => argument,
    };
    arguments.into_iter().map(convert).collect()
}

/// What a bound argument is to a signature.
pub(crate) fn given(bound: &Bound, ty: &Type) -> Given {
    if is_null(bound) { Given::Null } else { Given::Value(ty.clone()) }
}

/// An argument as the parameter takes it.
pub(crate) fn taken(bound: Bound, ty: Type, shape: &Shape, filled: &mut Filled) -> (Bound, Type) {
    if is_null(&bound) {
        let ty = shape.resolved(filled).unwrap_or(ty);
        return (bound, ty);
    }
    if shape.takes(&ty, filled, false) {
        return (bound, ty);
    }
    let wanted = match (shape, &ty) {
        (Shape::Decimal, Type::Int) => Type::Decimal { precision: 10, scale: 0 },
        (Shape::Decimal, Type::Bigint) => Type::Decimal { precision: 19, scale: 0 },
        _ => shape.resolved(filled).unwrap_or_else(|| ty.clone()),
    };
    (converted(bound, &ty, &wanted), wanted)
}

fn converted(bound: Bound, from: &Type, to: &Type) -> Bound {
    match Conversion::between(from, to) {
        Some(Conversion::Same) | None => bound,
        Some(conversion) => folded(Bound::Cast(Box::new(bound), Box::new(conversion), to.clone())),
    }
}

/// The name that takes the fewest changes, if they are few.
fn nearest<'n>(name: &str, known: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let with_distance = known.map(|known| (distance(name, known), known));
    let (distance, nearest) = with_distance.min()?;
    (distance <= 1 + name.len() / 4).then_some(nearest)
}

/// How many characters must be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let mut row: Vec<usize> = (0..=other.chars().count()).collect();
    for (place, c) in one.chars().enumerate() {
        let mut before = place;
        let mut next = vec![place + 1];
        for ((known, above), d) in row.iter().skip(1).enumerate().zip(other.chars()) {
            let left = next.get(known).copied().unwrap_or(usize::MAX - 1);
            next.push((before + usize::from(c != d)).min(above + 1).min(left + 1));
            before = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(usize::MAX)
}
