//! The functions that rules can call: what each takes, gives and does.
//!
//! Each function is one entry of a table, with a variant for each kind of arguments. A variant's signature is written as
//! text, from which calls are typed and DESCRIBE FUNCTION is answered.

mod arguments;
mod arrays;
mod body;
mod bytes;
mod choice;
mod conversions;
mod dates;
mod encodings;
mod extremes;
mod geography;
mod jsons;
mod lambdas;
mod maps;
mod mask;
mod numbers;
mod outside;
mod padding;
mod patterns;
mod resolve;
mod rounding;
mod search;
mod shape;
mod text;
mod trigonometry;
mod urls;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock};

use millstream_model::{Type, Value};

pub(crate) use body::Body;
pub use body::Called;
pub(crate) use encodings::{from_base64, to_base64};
pub use outside::Outside;
pub(crate) use resolve::choose;
pub use shape::plain_signature;
pub(crate) use shape::{Filled, Given, Shape, Signature, converts_to, signature};

use crate::eval::Failure;

/// The type of a result, found from the arguments' types where the signature alone does not say it.
type Typing = fn(&[Type]) -> Option<Type>;

/// One way to call a function, as the tables write it.
#[derive(Clone)]
struct Entry {
    signature: &'static str,
    body: Body,
    typing: Option<Typing>,
}

impl Entry {
    const fn new(signature: &'static str, body: Body) -> Self {
        Self { signature, body, typing: None }
    }

    const fn typed(signature: &'static str, typing: Typing, body: Body) -> Self {
        Self { signature, body, typing: Some(typing) }
    }
}

/// A function, as the tables write it.
struct Definition {
    name: &'static str,
    category: &'static str,
    about: &'static str,
    entries: &'static [Entry],
}

/// One way to call a function.
pub(crate) struct Variant {
    pub(crate) signature: Signature,
    typing: Option<Typing>,
    body: Body,
}

/// A function that rules can call.
pub struct Function {
    name: Box<str>,
    category: Box<str>,
    about: Box<str>,
    is_volatile: bool,
    variants: Vec<Variant>,
}

impl Function {
    /// Its name, in capitals.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is about, such as MATHEMATICAL.
    pub fn category(&self) -> &str {
        &self.category
    }

    /// What it does, in a sentence.
    pub fn about(&self) -> &str {
        &self.about
    }

    /// Each way to call it: its parameters and its result, as DESCRIBE FUNCTION shows them.
    pub fn signatures(&self) -> impl Iterator<Item = (String, String)> {
        self.variants.iter().map(|variant| {
            let parameters: Vec<_> = variant.signature.parameters.iter().map(ToString::to_string).collect();
            (parameters.join(", "), variant.signature.returns.to_string())
        })
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// All functions that rules can call, by name.
#[derive(Clone, Debug)]
pub struct Functions(Arc<BTreeMap<Box<str>, Arc<Function>>>);

static STANDARD: LazyLock<Functions> = LazyLock::new(|| Functions::with(&Outside::none()));

impl Default for Functions {
    /// The standard functions, without those that look at a clock or at chance: they fail.
    fn default() -> Self {
        STANDARD.clone()
    }
}

impl Functions {
    /// The standard functions, with a clock and a source of chance.
    pub fn with(outside: &Outside) -> Self {
        let mut all = BTreeMap::new();
        for definition in standard() {
            let function = Function {
                name: definition.name.into(),
                category: definition.category.into(),
                about: definition.about.into(),
                is_volatile: false,
                variants: definition.entries.iter().filter_map(variant).collect(),
            };
            all.insert(function.name.clone(), Arc::new(function));
        }
        let mut functions = Self(Arc::new(all));
        outside.add_to(&mut functions);
        functions
    }

    /// The function of a name in capitals.
    pub fn get(&self, name: &str) -> Option<&Arc<Function>> {
        self.0.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Function>> {
        self.0.values()
    }

    /// Adds a function written in Rust, or another way to call one of its name.
    ///
    /// The signature is a list of parameters and a result, as in `price DOUBLE, factors DOUBLE... -> DOUBLE`; a single
    /// capital letter stands for one type wherever it is written. Nulls are among the arguments. What `call` gives must be of
    /// the result's type; what it refuses, or gives of another type, is null in the row, and told.
    ///
    /// ```
    /// use millstream_model::Value;
    /// use millstream_sql::Functions;
    /// let mut functions = Functions::default();
    /// functions.register("initials", "First letters of words.", "text STRING -> STRING", |values| match values {
    ///     [Value::String(text)] => Ok(Value::text(text.split(' ').filter_map(|word| word.chars().next()).collect::<String>())),
    ///     _ => Ok(Value::Null),
    /// })?;
    /// assert!(functions.get("INITIALS").is_some());
    /// # Ok::<(), millstream_sql::Failure>(())
    /// ```
    ///
    /// # Errors
    /// When the signature can't be read.
    pub fn register(
        &mut self,
        name: &str,
        about: &str,
        signature_text: &str,
        call: impl Fn(&[Value]) -> Result<Value, Failure> + Send + Sync + 'static,
    ) -> Result<(), Failure> {
        let wrong = || Failure::new(format!("the signature '{signature_text}' of {name} can't be read"));
        let signature = signature(signature_text).ok_or_else(wrong)?;
        let (name_known, returns) = (name.to_uppercase(), signature.returns.clone());
        let checked = move |values: &[Value]| {
            let value = call(values)?;
            if returns.holds(&value) {
                return Ok(value);
            }
            Err(Failure::new(format!("{name_known} is declared to give {returns}, and gave something else")))
        };
        let variant = Variant { signature, typing: None, body: Body::Shared(Arc::new(checked)) };
        self.extend(&name.to_uppercase(), "OTHER", about, vec![variant]);
        Ok(())
    }

    /// Adds variants that give something else each time.
    fn volatile(&mut self, name: &str, category: &str, about: &str, ways: &[(&str, Arc<body::Closure>)]) {
        let way = |(text, call): &(&str, Arc<body::Closure>)| {
            Some(Variant { signature: signature(text)?, typing: None, body: Body::Shared(Arc::clone(call)) })
        };
        self.extend(name, category, about, ways.iter().filter_map(way).collect());
    }

    fn extend(&mut self, name: &str, category: &str, about: &str, added: Vec<Variant>) {
        let known = self.0.get(name);
        let known = known.map_or_else(Vec::new, |known| known.variants.iter().map(Variant::copy).collect());
        let function = Function {
            name: name.into(),
            category: category.into(),
            about: about.into(),
            is_volatile: true,
            variants: known.into_iter().chain(added).collect(),
        };
        Arc::make_mut(&mut self.0).insert(name.into(), Arc::new(function));
    }
}

impl Variant {
    fn copy(&self) -> Self {
        Self { signature: self.signature.clone(), typing: self.typing, body: self.body.clone() }
    }
}

fn variant(entry: &Entry) -> Option<Variant> {
    let signature = signature(entry.signature)?;
    Some(Variant { signature, typing: entry.typing, body: entry.body.clone() })
}

fn standard() -> impl Iterator<Item = &'static Definition> {
    [
        arrays::FUNCTIONS,
        bytes::FUNCTIONS,
        choice::FUNCTIONS,
        conversions::FUNCTIONS,
        dates::FUNCTIONS,
        extremes::FUNCTIONS,
        geography::FUNCTIONS,
        jsons::FUNCTIONS,
        lambdas::FUNCTIONS,
        maps::FUNCTIONS,
        mask::FUNCTIONS,
        numbers::FUNCTIONS,
        padding::FUNCTIONS,
        patterns::FUNCTIONS,
        rounding::FUNCTIONS,
        search::FUNCTIONS,
        text::FUNCTIONS,
        trigonometry::FUNCTIONS,
        urls::FUNCTIONS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod tests;
