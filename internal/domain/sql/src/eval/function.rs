mod choice;
mod number;
mod text;

use millstream_model::{Type, Value};

pub(crate) use text::text_of;

/// A scalar function: its name, what it takes, and what it does.
#[derive(Clone, Copy)]
pub struct Function {
    name: &'static str,
    arguments: (usize, usize),
    /// Its arguments are of one type, and are made so.
    is_unifying: bool,
    ty: fn(&[Type]) -> Option<Type>,
    call: fn(&[Value]) -> Option<Value>,
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

/// The most arguments of a function that takes any number.
const MANY: usize = 64;

impl Function {
    const fn new(
        name: &'static str,
        arguments: (usize, usize),
        ty: fn(&[Type]) -> Option<Type>,
        call: fn(&[Value]) -> Option<Value>,
    ) -> Self {
        Self { name, arguments, is_unifying: false, ty, call }
    }

    const fn unifying(self) -> Self {
        Self { is_unifying: true, ..self }
    }

    /// Whether all arguments must be of one type.
    pub(crate) fn is_unifying(self) -> bool {
        self.is_unifying
    }

    /// Its value; null where it has none.
    #[expect(clippy::needless_pass_by_value, reason = "the arguments are made for this call")]
    pub(crate) fn call(self, arguments: Vec<Value>) -> Value {
        (self.call)(&arguments).unwrap_or(Value::Null)
    }

    /// The type of its value, or what is wrong with the arguments.
    pub(crate) fn type_of(self, arguments: &[Type]) -> Result<Type, String> {
        let (least, most) = self.arguments;
        if !(least..=most).contains(&arguments.len()) {
            let wanted = if least == most { least.to_string() } else { format!("{least} to {most}") };
            return Err(format!("{} takes {wanted} arguments, not {}", self.name, arguments.len()));
        }
        (self.ty)(arguments).ok_or_else(|| {
            let given: Vec<_> = arguments.iter().map(ToString::to_string).collect();
            format!("{} does not take ({})", self.name, given.join(", "))
        })
    }
}

/// The scalar function of a name in capitals.
pub(crate) fn function(name: &str) -> Option<Function> {
    let all = text::FUNCTIONS.iter().chain(number::FUNCTIONS).chain(choice::FUNCTIONS);
    all.copied().find(|function| function.name == name)
}
