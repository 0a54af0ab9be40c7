//! Functions for SQL rules, written in [Rhai](https://rhai.rs): one file a function, compiled once.
//!
//! A file `NAME.rhai` begins with comments: what the function does, and a line with what it takes and gives, as in
//! `// price DOUBLE, rates ARRAY<DOUBLE> -> DOUBLE`. It defines a function of its own name, and others that this one calls.
//! NULL is `()`; numbers, texts, arrays and maps are Rhai's own; a TIMESTAMP and a TIME are milliseconds, a DATE days, BYTES a
//! blob, a STRUCT a map by the names of its fields. A DECIMAL is not handed to scripts, for they would make a float of it.
//!
//! Scripts reach nothing but their arguments: no files, no modules, no clock, no `eval`. A call ends after [`Limits::steps`]
//! operations, and holds no value larger than the limits; what is beyond fails, as what a script throws does, and is what any
//! function's failure is to a rule.
//!
//! It is not a way to write aggregates: a script keeps nothing from one call to the next.
//!
//! ```
//! use millstream_model::Value;
//! use millstream_rhai_functions::{Limits, ScriptFunction};
//!
//! let text = "// Its double.\n// number BIGINT -> BIGINT\nfn twice(number) { number * 2 }";
//! let twice = ScriptFunction::compile("twice", text, &Limits::default())?;
//! assert_eq!(twice.call(&[Value::Bigint(21)]).unwrap(), Value::Bigint(42));
//! # Ok::<(), millstream_rhai_functions::ScriptError>(())
//! ```

mod convert;
mod header;
mod script;

pub use script::{Limits, ScriptError, ScriptFunction, load};
