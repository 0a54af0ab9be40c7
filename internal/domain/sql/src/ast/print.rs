use std::fmt::{self, Display};

use millstream_model::Value;

use super::{At, Expr};

/// A value as a literal is written.
pub(crate) fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Boolean(value) => value.to_string().to_uppercase(),
        Value::Int(value) => value.to_string(),
        Value::Bigint(value) => value.to_string(),
        Value::Double(value) => format!("{value:E}"),
        // The point makes it a decimal.
        Value::Decimal(value) if value.scale() == 0 => format!("{value}."),
        Value::Decimal(value) => value.to_string(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        // Not written as literals.
        other => format!("{other:?}"),
    }
}

/// A name, quoted where its case or its characters ask for it.
fn name(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_uppercase())
        && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    // A keyword may stand where a name is not expected, so that only what is never one goes without quotes.
    if is_plain && name.contains('_') { name.to_owned() } else { format!("`{}`", name.replace('`', "``")) }
}

fn list(parts: &[At<Expr>]) -> String {
    parts.iter().map(|part| part.node.to_string()).collect::<Vec<_>>().join(", ")
}

fn pairs<K>(pairs: &[(K, At<Expr>)], key: impl Fn(&K) -> String) -> String {
    pairs.iter().map(|(of, value)| format!("{} := {}", key(of), value.node)).collect::<Vec<_>>().join(", ")
}

/// As it could have been written: reading it again gives the same expression.
impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column(None, column) => f.write_str(&name(column)),
            Self::Column(Some(source), column) => write!(f, "{}.{}", name(source), name(column)),
            Self::Literal(value) => f.write_str(&literal(value)),
            Self::Field(of, field) => write!(f, "({})->{}", of.node, name(field)),
            Self::Binary(left, op, right) => write!(f, "({} {} {})", left.node, op.symbol(), right.node),
            Self::Like(of, pattern, None) => write!(f, "({} LIKE {})", of.node, pattern.node),
            Self::Like(of, pattern, Some(escape)) => {
                let escape = literal(&Value::text(escape.to_string()));
                write!(f, "({} LIKE {} ESCAPE {escape})", of.node, pattern.node)
            }
            Self::Lambda(variables, body) => {
                let variables: Vec<_> = variables.iter().map(|variable| name(variable)).collect();
                write!(f, "(({}) => {})", variables.join(", "), body.node)
            }
            Self::Not(of) => write!(f, "(NOT {})", of.node),
            Self::Negate(of) => write!(f, "(-({}))", of.node),
            Self::IsNull(of, false) => write!(f, "({} IS NULL)", of.node),
            Self::IsNull(of, true) => write!(f, "({} IS NOT NULL)", of.node),
            Self::In(of, all) => write!(f, "({} IN ({}))", of.node, list(all)),
            Self::Case(cases, otherwise) => {
                f.write_str("CASE")?;
                for (when, then) in cases {
                    write!(f, " WHEN {} THEN {}", when.node, then.node)?;
                }
                otherwise.iter().try_for_each(|otherwise| write!(f, " ELSE {}", otherwise.node))?;
                f.write_str(" END")
            }
            Self::Cast(of, ty) => write!(f, "CAST({} AS {ty})", of.node),
            Self::Call(function, arguments) => write!(f, "{function}({})", list(arguments)),
            Self::Struct(fields) => write!(f, "STRUCT({})", pairs(fields, |field| name(field))),
            Self::Array(elements) => write!(f, "ARRAY[{}]", list(elements)),
            Self::Map(entries) => write!(f, "MAP({})", pairs(entries, |key| key.node.to_string())),
            Self::Index(of, index) => write!(f, "({})[{}]", of.node, index.node),
        }
    }
}
