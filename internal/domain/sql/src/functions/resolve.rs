use std::sync::Arc;

use millstream_model::Type;

use super::{Called, Filled, Function, Given, Shape, Signature, Variant};

/// The variant that a call means.
pub(crate) struct Resolved<'f> {
    function: &'f Arc<Function>,
    place: usize,
    variant: &'f Variant,
}

impl Function {
    /// The variant that takes these arguments: one that takes them as they are, or else one that they can be converted for.
    ///
    /// Of several, one with a fixed number of arguments goes before one with any number, then the one with more parameters,
    /// then the one that says more of their types.
    ///
    /// # Errors
    /// A sentence, when no variant takes them or two do that are equally near.
    pub(crate) fn resolve<'f>(self: &'f Arc<Self>, given: &[Given]) -> Result<Resolved<'f>, String> {
        let place = choose(&self.name, &self.variants.iter().map(|variant| &variant.signature), given)?;
        let variant = self.variants.get(place).ok_or_else(|| format!("{} has no such variant", self.name))?;
        Ok(Resolved { function: self, place, variant })
    }

    /// Whether it takes a unit of time.
    pub(crate) fn takes_unit(&self) -> bool {
        let units = |variant: &Variant| variant.signature.parameters.iter().any(|p| p.shape == Shape::Unit);
        self.variants.iter().any(units)
    }

    /// Whether it gives one of its arguments.
    pub(crate) fn chooses(&self) -> bool {
        matches!(self.name(), "COALESCE" | "IFNULL" | "NULLIF")
    }

    /// Its signatures, one below the other.
    pub(crate) fn ways(&self) -> String {
        let ways: Vec<_> =
            self.signatures().map(|(parameters, _)| format!("{}({parameters})", self.name)).collect();
        ways.join(", ")
    }
}

/// The place of the signature that takes these arguments, as [`Function::resolve`] chooses it.
pub(crate) fn choose<'s>(
    name: &str,
    signatures: &(impl Iterator<Item = &'s Signature> + Clone),
    given: &[Given],
) -> Result<usize, String> {
    for converts in [false, true] {
        let fits =
            signatures.clone().enumerate().filter(|(_, signature)| accepts(signature, given, converts));
        let mut best: Vec<_> = fits.map(|(place, signature)| (nearness(signature), place)).collect();
        best.sort_by_key(|(nearness, place)| (std::cmp::Reverse(*nearness), *place));
        match best.as_slice() {
            [] => {}
            [(first, _), (second, _), ..] if first == second => {
                return Err(format!("{name}({}) could be several of its variants", listed(given)));
            }
            [(_, place), ..] => return Ok(*place),
        }
    }
    Err(format!("{name} does not take ({})", listed(given)))
}

type Nearness = (bool, usize, std::cmp::Reverse<usize>);

fn nearness(signature: &Signature) -> Nearness {
    (!signature.is_variadic(), signature.parameters.len(), std::cmp::Reverse(signature.holes()))
}

fn accepts(signature: &Signature, given: &[Given], converts: bool) -> bool {
    let mut filled = Filled::new();
    signature.spread(given.len()).is_some_and(|parameters| {
        parameters
            .iter()
            .zip(given)
            .all(|(parameter, given)| parameter.shape.accepts(given, &mut filled, converts))
    })
}

fn listed(given: &[Given]) -> String {
    let one = |given: &Given| match given {
        Given::Null => "NULL".to_owned(),
        Given::Value(ty) => ty.to_string(),
        Given::Lambda(count) => format!("a lambda of {count}"),
        Given::Unit => "a unit of time".to_owned(),
    };
    given.iter().map(one).collect::<Vec<_>>().join(", ")
}

impl Resolved<'_> {
    /// The shape of each argument.
    pub(crate) fn shapes(&self, count: usize) -> Vec<&Shape> {
        let parameters = self.variant.signature.spread(count).unwrap_or_default();
        parameters.into_iter().map(|parameter| &parameter.shape).collect()
    }

    /// The result's type, from the letters filled and the arguments' types as they are given over.
    pub(crate) fn returns(&self, filled: &Filled, types: &[Type]) -> Option<Type> {
        match self.variant.typing {
            Some(typing) => typing(types),
            None => self.variant.signature.returns.resolved(filled),
        }
    }

    pub(crate) fn called(&self, types: Vec<Type>) -> Called {
        Called::new(self.function, self.place, self.variant.body.clone(), types)
    }
}
