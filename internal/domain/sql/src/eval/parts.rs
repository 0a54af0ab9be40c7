use super::Bound;

impl Bound {
    /// The expressions that it is made of, in the order in which they are written.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Column(_) | Self::Variable(_) | Self::Literal(_) => Vec::new(),
            Self::Field(of, _)
            | Self::Not(of)
            | Self::Negate(of)
            | Self::IsNull(of, _)
            | Self::Like(of, _)
            | Self::Cast(of, ..) => vec![of],
            Self::And(sides)
            | Self::Or(sides)
            | Self::Concat(sides)
            | Self::Index(sides)
            | Self::Compare(_, _, sides)
            | Self::Arithmetic(_, _, sides)
            | Self::LikeAny(sides, _) => vec![&sides.0, &sides.1],
            Self::In(of, list) => std::iter::once(&**of).chain(list).collect(),
            Self::Call(_, values, lambdas) => values.iter().chain(lambdas).collect(),
            Self::Struct(parts) | Self::Array(parts) => parts.iter().collect(),
            Self::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
            Self::Case(cases, otherwise) => {
                let cases = cases.iter().flat_map(|(when, then)| [when, then]);
                cases.chain(otherwise.as_deref()).collect()
            }
        }
    }

    /// The row's columns that it looks at.
    pub(crate) fn columns(&self) -> Vec<usize> {
        match self {
            Self::Column(index) => vec![*index],
            other => other.parts().into_iter().flat_map(Self::columns).collect(),
        }
    }

    /// Whether it is the same in every row, and each time.
    pub(crate) fn is_constant(&self) -> bool {
        match self {
            Self::Column(_) | Self::Variable(_) => false,
            Self::Call(called, ..) if called.is_volatile() => false,
            other => other.parts().into_iter().all(Self::is_constant),
        }
    }
}
