use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use millstream_model::{Type, Value};
use millstream_sql::{Failure, plain_signature};
use rhai::{AST, CallFnOptions, Dynamic, Engine, Scope};

use crate::convert::{given, taken};
use crate::header::Header;

/// What a call may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Operations of one call.
    pub steps: u64,
    /// Functions that call each other.
    pub depth: usize,
    /// Bytes of all texts in a value.
    pub text_bytes: usize,
    /// Elements of all arrays, blobs and maps in a value.
    pub elements: usize,
    /// Variables at one time.
    pub variables: usize,
}

impl Default for Limits {
    /// A million operations, and values of about a megabyte.
    fn default() -> Self {
        Self { steps: 1_000_000, depth: 64, text_bytes: 1 << 20, elements: 1 << 16, variables: 128 }
    }
}

/// Why a script is no function.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The folder or a file in it can't be read.
    #[error("can't read {path}: {source}")]
    Unreadable {
        /// Which.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// Its head does not say what it takes and gives.
    #[error(
        "the function {name} does not say what it takes and gives; begin its file with a comment such as '// price DOUBLE, label STRING -> STRING'"
    )]
    Unsigned {
        /// The function.
        name: String,
    },
    /// Its signature is not one that scripts can have.
    #[error(
        "the signature '{signature}' of {name} can't be had by a script: there are BOOLEAN, INT, BIGINT, DOUBLE, STRING, BYTES, DATE, TIME, TIMESTAMP, ARRAY<…>, MAP<STRING, …> and STRUCT<name …>"
    )]
    Signature {
        /// The function.
        name: String,
        /// What it says.
        signature: String,
    },
    /// It is not written in Rhai.
    #[error("the script of {name} can't be compiled: {reason}")]
    Wrong {
        /// The function.
        name: String,
        /// What is wrong, and where.
        reason: String,
    },
    /// It defines no function of its name with as many parameters as its signature.
    #[error("the script of {name} defines no 'fn {name}' with {parameters} parameters")]
    Missing {
        /// The function.
        name: String,
        /// How many the signature has.
        parameters: usize,
    },
}

/// A function that is written in Rhai, compiled. Calls may come from several threads at the same time.
#[derive(Clone)]
pub struct ScriptFunction {
    name: String,
    about: String,
    signature: String,
    parameters: Arc<[Type]>,
    returns: Type,
    engine: Arc<Engine>,
    script: Arc<AST>,
}

impl fmt::Debug for ScriptFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name, self.signature)
    }
}

/// Compiles every `.rhai` file of a folder, in the order of their names.
///
/// # Errors
/// When the folder or a file can't be read, or a script is no function: see [`ScriptError`].
pub fn load(folder: &Path, limits: &Limits) -> Result<Vec<ScriptFunction>, ScriptError> {
    let unreadable =
        |path: &Path, source| ScriptError::Unreadable { path: path.display().to_string(), source };
    let entries = fs::read_dir(folder).map_err(|source| unreadable(folder, source))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths = paths.collect::<Result<Vec<_>, _>>().map_err(|source| unreadable(folder, source))?;
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "rhai"));
    paths.sort();
    let compiled = |path: &std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let text = fs::read_to_string(path).map_err(|source| unreadable(path, source))?;
        ScriptFunction::compile(&name, &text, limits)
    };
    paths.iter().map(compiled).collect()
}

impl ScriptFunction {
    /// Compiles a script, whose function has this name.
    ///
    /// # Errors
    /// As [`ScriptError`] says.
    pub fn compile(name: &str, text: &str, limits: &Limits) -> Result<Self, ScriptError> {
        let header = Header::of(text);
        let named = || name.to_owned();
        let signature = header.signature.ok_or_else(|| ScriptError::Unsigned { name: named() })?;
        let plain = plain_signature(&signature).filter(|(of, to)| of.iter().chain([to]).all(can_be_had));
        let (parameters, returns) =
            plain.ok_or_else(|| ScriptError::Signature { name: named(), signature: signature.clone() })?;
        let engine = engine(limits);
        let script = engine.compile(text);
        let script =
            script.map_err(|error| ScriptError::Wrong { name: named(), reason: error.to_string() })?;
        let is_it = |function: rhai::ScriptFnMetadata<'_>| {
            function.name == name && function.params.len() == parameters.len()
        };
        if !script.iter_functions().any(is_it) {
            return Err(ScriptError::Missing { name: named(), parameters: parameters.len() });
        }
        Ok(Self {
            name: named(),
            about: header.about,
            signature,
            parameters: parameters.into(),
            returns,
            engine: Arc::new(engine),
            script: Arc::new(script),
        })
    }

    /// Its name, as its file has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it does, as its head says.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// What it takes and gives.
    pub fn signature(&self) -> &str {
        &self.signature
    }

    /// Calls it.
    ///
    /// # Errors
    /// When the script throws, uses more than its limits, or gives something else than it declares.
    pub fn call(&self, values: &[Value]) -> Result<Value, Failure> {
        let arguments = values.iter().zip(self.parameters.iter()).map(|(value, ty)| given(value, ty));
        let arguments = arguments.collect::<Result<Vec<_>, _>>()?;
        // Nothing of the script runs but its function.
        let options = CallFnOptions::new().eval_ast(false);
        let called: Result<Dynamic, _> =
            self.engine.call_fn_with_options(options, &mut Scope::new(), &self.script, &self.name, arguments);
        let value = called.map_err(|error| Failure::new(format!("{}: {error}", self.name)))?;
        taken(value, &self.returns)
    }
}

/// Whether scripts can be given and can give values of a type.
fn can_be_had(ty: &Type) -> bool {
    match ty {
        Type::Decimal { .. } => false,
        Type::Array(of) => can_be_had(of),
        Type::Map(key, of) => **key == Type::String && can_be_had(of),
        Type::Struct(fields) => fields.iter().all(|field| can_be_had(&field.ty)),
        _ => true,
    }
}

/// An engine that reaches nothing outside.
fn engine(limits: &Limits) -> Engine {
    let mut engine = Engine::new();
    engine.disable_symbol("eval");
    engine.on_print(|_| {}).on_debug(|_, _, _| {});
    engine
        .set_max_operations(limits.steps)
        .set_max_call_levels(limits.depth)
        .set_max_string_size(limits.text_bytes)
        .set_max_array_size(limits.elements)
        .set_max_map_size(limits.elements)
        .set_max_variables(limits.variables);
    engine
}
