use millstream_model::Type;

use super::{Parameter, Shape, Signature};

/// Reads a signature such as `array ARRAY<T>, value T, more T... -> BOOLEAN`.
///
/// Parameters are a name and what they take; a single capital letter stands for one type, `(T, R) => R` for a lambda, ANY
/// for any type and UNIT for a unit of time.
pub(crate) fn signature(text: &str) -> Option<Signature> {
    let (parameters, returns) = text.rsplit_once("->")?;
    let mut reader = Reader { rest: parameters.trim() };
    let mut all = Vec::new();
    while !reader.rest.is_empty() {
        let name = reader.word()?.to_owned();
        let shape = reader.shape_or_lambda()?;
        let is_variadic = reader.take("...");
        all.push(Parameter { name, shape, is_variadic });
        if !reader.take(",") {
            break;
        }
    }
    let is_whole = reader.rest.is_empty();
    let mut returned = Reader { rest: returns.trim() };
    let returns = returned.shape()?;
    (is_whole && returned.rest.is_empty()).then_some(Signature { parameters: all, returns })
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn take(&mut self, symbol: &str) -> bool {
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> Option<&'t str> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.trim_start();
        (!word.is_empty()).then_some(word)
    }

    fn shape_or_lambda(&mut self) -> Option<Shape> {
        let of = if self.take("(") { self.list(")")? } else { vec![self.shape()?] };
        if self.take("=>") {
            return Some(Shape::Lambda(of, Box::new(self.shape()?)));
        }
        <[Shape; 1]>::try_from(of).ok().map(|[shape]| shape)
    }

    fn list(&mut self, end: &str) -> Option<Vec<Shape>> {
        let mut all = vec![self.shape()?];
        while self.take(",") {
            all.push(self.shape()?);
        }
        self.take(end).then_some(all)
    }

    fn shape(&mut self) -> Option<Shape> {
        let word = self.word()?;
        Some(match word {
            "ANY" => Shape::Any,
            "UNIT" => Shape::Unit,
            "DECIMAL" => Shape::Decimal,
            "ARRAY" => match self.inside(1)?.as_slice() {
                [element] => Shape::Array(Box::new(element.clone())),
                _ => return None,
            },
            "MAP" => match self.inside(2)?.as_slice() {
                [key, value] => Shape::Map(Box::new(key.clone()), Box::new(value.clone())),
                _ => return None,
            },
            "STRUCT" => Shape::Struct(self.fields()?),
            word => plain(word)?,
        })
    }

    fn inside(&mut self, count: usize) -> Option<Vec<Shape>> {
        let shapes = if self.take("<") { self.list(">")? } else { return None };
        (shapes.len() == count).then_some(shapes)
    }

    fn fields(&mut self) -> Option<Vec<(String, Shape)>> {
        if !self.take("<") {
            return None;
        }
        let mut fields = Vec::new();
        loop {
            let name = self.word()?.to_owned();
            fields.push((name, self.shape()?));
            if self.take(">") {
                return Some(fields);
            }
            if !self.take(",") {
                return None;
            }
        }
    }
}

fn plain(word: &str) -> Option<Shape> {
    let mut letters = word.chars();
    if let (Some(letter @ 'A'..='Z'), None) = (letters.next(), letters.next()) {
        return Some(Shape::Generic(letter));
    }
    Some(Shape::Exact(match word {
        "BOOLEAN" => Type::Boolean,
        "INT" => Type::Int,
        "BIGINT" => Type::Bigint,
        "DOUBLE" => Type::Double,
        "STRING" => Type::String,
        "BYTES" => Type::Bytes,
        "DATE" => Type::Date,
        "TIME" => Type::Time,
        "TIMESTAMP" => Type::Timestamp,
        _ => return None,
    }))
}
