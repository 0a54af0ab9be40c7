//! Functions that make several rows of one.

use millstream_model::{Type, Value};

use crate::bind::{given, taken};
use crate::eval::{Bound, Failure};
use crate::functions::{Filled, choose, signature};

/// What a table function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Explode,
    Cube,
}

/// A function that makes several rows of one.
#[derive(Debug, PartialEq)]
pub struct TableFunction {
    name: &'static str,
    about: &'static str,
    signature: &'static str,
    does: Does,
}

static FUNCTIONS: &[TableFunction] = &[
    TableFunction {
        name: "CUBE_EXPLODE",
        about: "A row for each choice of an array's elements, the others null; an element that is null is not chosen.",
        signature: "array ARRAY<T> -> ARRAY<T>",
        does: Does::Cube,
    },
    TableFunction {
        name: "EXPLODE",
        about: "A row for each element of an array.",
        signature: "array ARRAY<T> -> T",
        does: Does::Explode,
    },
];

/// A table function with what it is computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct TableCall {
    function: &'static TableFunction,
    argument: Bound,
    result: Type,
}

/// All table functions, by name.
pub fn table_functions() -> impl Iterator<Item = &'static TableFunction> {
    FUNCTIONS.iter()
}

/// Whether a table function has this name, in capitals.
pub(crate) fn is_table_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|function| function.name == name)
}

/// The call of a table function with bound arguments, over a row.
///
/// # Errors
/// A sentence, when it does not take them.
pub fn table_function(name: &str, arguments: Vec<(Bound, Type)>) -> Result<TableCall, String> {
    let function = FUNCTIONS.iter().find(|function| function.name == name);
    let known = function.and_then(|function| Some((function, signature(function.signature)?)));
    let (function, signature) = known.ok_or_else(|| format!("there is no table function {name}"))?;
    let given: Vec<_> = arguments.iter().map(|(bound, ty)| given(bound, ty)).collect();
    choose(name, &std::iter::once(&signature), &given)?;
    let mut filled = Filled::new();
    let takes = arguments.into_iter().zip(&signature.parameters);
    let argument =
        takes.map(|((bound, ty), parameter)| taken(bound, ty, &parameter.shape, &mut filled).0).next();
    let result = signature.returns.resolved(&filled);
    let (argument, result) =
        argument.zip(result).ok_or_else(|| format!("the type of {name} can't be told from its argument"))?;
    Ok(TableCall { function, argument, result })
}

/// The most elements whose choices are made rows: they are 2 to the power of them.
const CUBE_MAX: usize = 16;

impl TableFunction {
    /// Its name, in capitals.
    pub fn name(&self) -> &str {
        self.name
    }

    /// What it does, in a sentence.
    pub fn about(&self) -> &str {
        self.about
    }

    /// What it takes and what each of its rows holds.
    pub fn signature(&self) -> (String, String) {
        signature(self.signature).map_or_else(Default::default, |signature| {
            let parameters: Vec<_> = signature.parameters.iter().map(ToString::to_string).collect();
            (parameters.join(", "), signature.returns.to_string())
        })
    }
}

impl TableCall {
    /// The function's name.
    pub fn name(&self) -> &str {
        self.function.name
    }

    /// What it is computed from.
    pub fn argument(&self) -> &Bound {
        &self.argument
    }

    /// The type of the value in each of its rows.
    pub fn result_type(&self) -> &Type {
        &self.result
    }

    /// The values of its rows; of a null there are none.
    ///
    /// # Errors
    /// When the argument has no value, or more rows than can be made.
    pub fn rows(&self, row: &[Value]) -> Result<Vec<Value>, Failure> {
        let Value::Array(elements) = self.argument.try_eval(row)? else { return Ok(Vec::new()) };
        match self.function.does {
            Does::Explode => Ok(elements),
            Does::Cube if elements.len() > CUBE_MAX => {
                Err(Failure::new(format!("a cube of more than {CUBE_MAX} elements has too many rows")))
            }
            Does::Cube => Ok(cube(&elements)),
        }
    }
}

/// Each choice of the elements, from none to all, counted in binary with the last element as the lowest digit.
fn cube(elements: &[Value]) -> Vec<Value> {
    elements.iter().fold(vec![Vec::new()], chosen).into_iter().map(Value::Array).collect()
}

fn chosen(before: Vec<Vec<Value>>, element: &Value) -> Vec<Vec<Value>> {
    let with = |row: Vec<Value>| {
        let choice = |value: &Value| [row.as_slice(), std::slice::from_ref(value)].concat();
        if element.is_null() {
            vec![choice(&Value::Null)]
        } else {
            vec![choice(&Value::Null), choice(element)]
        }
    };
    before.into_iter().flat_map(with).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(name: &str, elements: &[Option<i32>]) -> Vec<Value> {
        let ty = Type::Array(Box::new(Type::Int));
        let call = table_function(name, vec![(Bound::Column(0), ty)]).unwrap();
        call.rows(&[array(elements)]).unwrap()
    }

    fn array(elements: &[Option<i32>]) -> Value {
        Value::Array(elements.iter().map(|element| element.map_or(Value::Null, Value::Int)).collect())
    }

    #[test]
    fn explode_has_a_row_an_element() {
        assert_eq!(rows("EXPLODE", &[Some(1), None]), [Value::Int(1), Value::Null]);
        assert!(rows("EXPLODE", &[]).is_empty());
        assert!(table_function("EXPLODE", vec![(Bound::Column(0), Type::Int)]).is_err());
    }

    #[test]
    fn a_cube_has_a_row_a_choice() {
        let expected = [[None, None], [None, Some(2)], [Some(1), None], [Some(1), Some(2)]];
        assert_eq!(rows("CUBE_EXPLODE", &[Some(1), Some(2)]), expected.map(|row| array(&row)));
        assert_eq!(
            rows("CUBE_EXPLODE", &[None, Some(2)]),
            [[None, None], [None, Some(2)]].map(|row| array(&row))
        );
        assert_eq!(rows("CUBE_EXPLODE", &[]), [array(&[])]);
    }
}
