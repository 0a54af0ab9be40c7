use millstream_model::{Type, Value};

use super::{double, exact};

/// A scalar function: its name, what it takes, and what it does.
#[derive(Clone, Copy)]
pub struct Function {
    name: &'static str,
    arguments: (usize, usize),
    ty: fn(&[Type]) -> Option<Type>,
    call: fn(Vec<Value>) -> Option<Value>,
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Function {
    /// Its value; null where it has none.
    pub(crate) fn call(self, arguments: Vec<Value>) -> Value {
        (self.call)(arguments).unwrap_or(Value::Null)
    }

    /// The type of its value, or what is wrong with the arguments.
    pub(crate) fn type_of(self, arguments: &[Type]) -> Result<Type, String> {
        let (least, most) = self.arguments;
        if !(least..=most).contains(&arguments.len()) {
            return Err(format!("{} does not take {} arguments", self.name, arguments.len()));
        }
        (self.ty)(arguments).ok_or_else(|| {
            let given: Vec<_> = arguments.iter().map(ToString::to_string).collect();
            format!("{} does not take ({})", self.name, given.join(", "))
        })
    }
}

/// The scalar function of a name in capitals.
pub(crate) fn function(name: &str) -> Option<Function> {
    FUNCTIONS.iter().find(|function| function.name == name).copied()
}

const MANY: usize = 64;

const FUNCTIONS: &[Function] = &[
    Function {
        name: "UCASE",
        arguments: (1, 1),
        ty: text_to_text,
        call: |a| Some(Value::text(text(&a, 0)?.to_uppercase())),
    },
    Function {
        name: "LCASE",
        arguments: (1, 1),
        ty: text_to_text,
        call: |a| Some(Value::text(text(&a, 0)?.to_lowercase())),
    },
    Function {
        name: "TRIM",
        arguments: (1, 1),
        ty: text_to_text,
        call: |a| Some(Value::text(text(&a, 0)?.trim())),
    },
    Function {
        name: "LEN",
        arguments: (1, 1),
        ty: |a| text_to_text(a).map(|_| Type::Int),
        call: |a| i32::try_from(text(&a, 0)?.chars().count()).ok().map(Value::Int),
    },
    Function {
        name: "CONCAT",
        arguments: (1, MANY),
        ty: |a| a.iter().all(|ty| *ty == Type::String).then_some(Type::String),
        call: |a| {
            // A null argument is left out.
            Some(Value::text((0..a.len()).filter_map(|index| text(&a, index)).collect::<String>()))
        },
    },
    Function {
        name: "SUBSTRING",
        arguments: (2, 3),
        ty: |a| a.first().filter(|ty| **ty == Type::String).cloned(),
        call: substring,
    },
    Function {
        name: "ABS",
        arguments: (1, 1),
        ty: |a| a.first().filter(|ty| ty.is_number()).cloned(),
        call: |a| match a.first()? {
            Value::Int(value) => value.checked_abs().map(Value::Int),
            Value::Bigint(value) => value.checked_abs().map(Value::Bigint),
            Value::Double(value) => Some(Value::Double(value.abs())),
            Value::Decimal(value) => Some(Value::Decimal(value.abs())),
            _ => None,
        },
    },
    Function { name: "COALESCE", arguments: (1, MANY), ty: same, call: first_known },
    Function { name: "IFNULL", arguments: (2, 2), ty: same, call: first_known },
    Function { name: "AS_VALUE", arguments: (1, 1), ty: |a| a.first().cloned(), call: |mut a| a.pop() },
];

fn text_to_text(arguments: &[Type]) -> Option<Type> {
    arguments.first().filter(|ty| **ty == Type::String).cloned()
}

fn same(arguments: &[Type]) -> Option<Type> {
    let first = arguments.first()?;
    arguments.iter().all(|ty| ty == first).then(|| first.clone())
}

fn first_known(arguments: Vec<Value>) -> Option<Value> {
    arguments.into_iter().find(|value| !value.is_null())
}

fn text(arguments: &[Value], index: usize) -> Option<&str> {
    match arguments.get(index)? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Positions count from 1; negative ones from the end.
fn substring(arguments: Vec<Value>) -> Option<Value> {
    use rust_decimal::prelude::ToPrimitive;
    let whole = |index: usize| arguments.get(index).and_then(exact).and_then(|exact| exact.to_i64());
    let characters: Vec<char> = text(&arguments, 0)?.chars().collect();
    let size = i64::try_from(characters.len()).ok()?;
    let start = match whole(1)? {
        position if position > 0 => position - 1,
        position => (size + position).max(0),
    };
    let length = if arguments.len() > 2 { whole(2)?.max(0) } else { size };
    let (from, count) = (usize::try_from(start).ok()?, usize::try_from(length).ok()?);
    Some(Value::text(characters.into_iter().skip(from).take(count).collect::<String>()))
}

/// A value as text, as CAST writes it.
pub(crate) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::Boolean(value) => Some(value.to_string()),
        Value::String(text) => Some(text.to_string()),
        Value::Double(_) => double(value).map(|value| format!("{value:?}")),
        other => exact(other).map(|exact| exact.to_string()),
    }
}
