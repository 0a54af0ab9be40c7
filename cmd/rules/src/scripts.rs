//! Functions of a folder of scripts, for everything that plans rules.

use std::path::Path;

use millstream_model::Value;
use millstream_rhai_functions::{Limits, ScriptFunction, load};
use millstream_sql::Failure;

/// The functions of a folder; none without one.
pub(crate) fn functions(folder: Option<&Path>) -> anyhow::Result<Vec<ScriptFunction>> {
    Ok(folder.map_or_else(|| Ok(Vec::new()), |folder| load(folder, &Limits::default()))?)
}

/// What a function is called with.
type Call = Box<dyn Fn(&[Value]) -> Result<Value, Failure> + Send + Sync>;

/// Makes functions known by `register`, which is given each one's name, what it does, its signature, and what calls it.
pub(crate) fn register(
    functions: &[ScriptFunction],
    mut register: impl FnMut(&str, &str, &str, Call) -> Result<(), Failure>,
) -> Result<(), Failure> {
    functions.iter().try_for_each(|function| {
        let called = function.clone();
        let call = Box::new(move |values: &[Value]| called.call(values));
        register(function.name(), function.about(), function.signature(), call)
    })
}
