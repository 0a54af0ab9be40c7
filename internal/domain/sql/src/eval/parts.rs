use super::Bound;

impl Bound {
    /// The expressions that it is made of, in the order in which they are written.
    pub(crate) fn parts(&self) -> Vec<&Self> {
        match self {
            Self::Column(_) | Self::Literal(_) => Vec::new(),
            Self::Field(of, _)
            | Self::Not(of)
            | Self::Negate(of)
            | Self::IsNull(of, _)
            | Self::Cast(of, _) => {
                vec![of]
            }
            Self::Binary(left, _, right) | Self::Index(left, right) => vec![left, right],
            Self::In(of, list) => std::iter::once(&**of).chain(list).collect(),
            Self::Call(_, parts) | Self::Struct(parts) | Self::Array(parts) => parts.iter().collect(),
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
}
