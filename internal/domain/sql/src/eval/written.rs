use super::Bound;
use crate::ast::literal;

impl Bound {
    /// The expression in words, its columns by `names`.
    pub(crate) fn written(&self, names: &[String]) -> String {
        let parts: Vec<_> = self.parts().into_iter().map(|part| part.written(names)).collect();
        let list = parts.join(", ");
        let between = |symbol: &str| format!("({})", parts.join(&format!(" {symbol} ")));
        match self {
            Self::Column(index) => names.get(*index).cloned().unwrap_or_default(),
            Self::Variable(index) => format!("${index}"),
            Self::Literal(value) => literal(value),
            Self::Field(_, index) => format!("{list}->{index}"),
            Self::And(_) => between("AND"),
            Self::Or(_) => between("OR"),
            Self::Compare(comparison, ..) => between(comparison.symbol()),
            Self::Arithmetic(operation, ..) => between(operation.symbol()),
            Self::Concat(_) => between("||"),
            Self::Like(..) => format!("LIKE({list})"),
            Self::LikeAny(..) => between("LIKE"),
            Self::Not(_) => format!("NOT {list}"),
            Self::Negate(_) => format!("-{list}"),
            Self::IsNull(_, negated) => format!("{list} IS {}NULL", if *negated { "NOT " } else { "" }),
            Self::Cast(_, _, ty) => format!("CAST({list} AS {ty})"),
            Self::Call(called, ..) => format!("{}({list})", called.name()),
            Self::Struct(_) => format!("STRUCT({list})"),
            Self::Array(_) => format!("ARRAY[{list}]"),
            Self::Index(_) => format!("ELEMENT({list})"),
            Self::In(..) => format!("IN({list})"),
            Self::Map(_) => format!("MAP({list})"),
            Self::Case(..) => format!("CASE({list})"),
        }
    }
}
