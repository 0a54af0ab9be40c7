use std::sync::Arc;

use millstream_model::{Column, Decimal, Type, Value};

use super::base64::{base64_bytes, base64_text};
use super::number::double_text;
use super::{FoundColumns, RowCodec, RowFormat, RowSpec, Side};
use crate::{CodecError, PortError};

/// Fields of text in one line (RFC 4180). An empty field is null.
///
/// A field is quoted where it holds the delimiter, a quote or a line break, where it begins with a space, `!`, `"` or `#` or
/// ends with a space, and where it is the line's first and does not begin with a letter or digit: as Apache Commons CSV does,
/// that ksqlDB writes with.
#[derive(Clone, Copy, Debug, Default)]
pub struct DelimitedRows;

struct DelimitedCodec {
    columns: Vec<Column>,
    delimiter: char,
}

impl RowFormat for DelimitedRows {
    fn columns(&self, topic: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        Err(PortError::stop(format!(
            "the columns of topic '{topic}' must be declared: the format DELIMITED has no schemas"
        )))
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        let nested = |column: &&Column| matches!(column.ty, Type::Array(_) | Type::Map(..) | Type::Struct(_));
        if let Some(column) = spec.columns.iter().find(nested) {
            let said = format!("topic '{}': the format DELIMITED can't hold {column}", spec.topic);
            return Err(PortError::stop(said));
        }
        let delimiter = spec.options.delimiter.unwrap_or(',');
        Ok(Arc::new(DelimitedCodec { columns: spec.columns.to_vec(), delimiter }))
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        self.reader(spec)
    }
}

impl RowCodec for DelimitedCodec {
    fn decode(&self, bytes: &[u8]) -> Result<Vec<Value>, CodecError> {
        let text = std::str::from_utf8(bytes).map_err(|_| CodecError::new("not UTF-8 text"))?;
        let fields = fields(text, self.delimiter);
        if fields.len() != self.columns.len() {
            let (found, wanted) = (fields.len(), self.columns.len());
            return Err(CodecError::new(format!("{found} fields stand where {wanted} columns are")));
        }
        let values = self.columns.iter().zip(fields).map(|(column, field)| {
            let value = field.as_deref().map_or(Some(Value::Null), |field| value_of(field, &column.ty));
            value.ok_or_else(|| CodecError::new(format!("'{}' is not {}", field.unwrap_or_default(), column)))
        });
        values.collect()
    }

    fn encode(&self, row: &[Value], out: &mut Vec<u8>) -> Result<(), CodecError> {
        let mut line = String::new();
        for (place, value) in row.iter().enumerate() {
            if place > 0 {
                line.push(self.delimiter);
            }
            if !value.is_null() {
                line.push_str(&quoted(text_of(value)?, self.delimiter, place == 0));
            }
        }
        out.extend_from_slice(line.as_bytes());
        Ok(())
    }
}

/// The fields of a line; an empty one that is not quoted is `None`.
fn fields(text: &str, delimiter: char) -> Vec<Option<String>> {
    let (mut all, mut field, mut was_quoted, mut is_quoted) = (Vec::new(), String::new(), false, false);
    let mut chars = text.chars().peekable();
    let ended = |field: &mut String, was_quoted: bool| {
        let field = std::mem::take(field);
        (was_quoted || !field.is_empty()).then_some(field)
    };
    while let Some(c) = chars.next() {
        match c {
            '"' if is_quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if is_quoted => is_quoted = false,
            '"' if field.is_empty() && !was_quoted => (is_quoted, was_quoted) = (true, true),
            c if c == delimiter && !is_quoted => {
                all.push(ended(&mut field, was_quoted));
                was_quoted = false;
            }
            c => field.push(c),
        }
    }
    all.push(ended(&mut field, was_quoted));
    all
}

fn quoted(field: String, delimiter: char, is_first: bool) -> String {
    let needs = |c: char| c == delimiter || matches!(c, '"' | '\n' | '\r');
    let is_odd = |first: char| first <= '#' || (is_first && !first.is_ascii_alphanumeric());
    let begins_oddly = field.chars().next().map_or(is_first, is_odd);
    if begins_oddly || field.ends_with(|c: char| c <= ' ') || field.contains(needs) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field
    }
}

/// A field's value, where it is of the type.
fn value_of(field: &str, ty: &Type) -> Option<Value> {
    let number = field.trim();
    Some(match ty {
        Type::String => Value::text(field),
        Type::Boolean => Value::Boolean(number.eq_ignore_ascii_case("true")),
        Type::Int => Value::Int(number.parse().ok()?),
        Type::Bigint => Value::Bigint(number.parse().ok()?),
        Type::Double => Value::Double(number.parse().ok()?),
        Type::Timestamp => Value::Timestamp(number.parse().ok()?),
        Type::Bytes => Value::Bytes(base64_bytes(number)?.into()),
        Type::Date => Value::Date(number.parse().ok()?),
        Type::Time => Value::Time(number.parse().ok()?),
        Type::Decimal { precision, scale } => {
            let decimal: Decimal = number.parse().ok()?;
            let fitted = decimal.fit(*precision, *scale)?;
            (fitted.compare(decimal).is_eq()).then_some(Value::Decimal(fitted))?
        }
        _ => return None,
    })
}

fn text_of(value: &Value) -> Result<String, CodecError> {
    Ok(match value {
        Value::String(text) => text.to_string(),
        Value::Boolean(value) => value.to_string(),
        Value::Int(value) | Value::Date(value) | Value::Time(value) => value.to_string(),
        Value::Bigint(value) | Value::Timestamp(value) => value.to_string(),
        Value::Double(value) => double_text(*value),
        Value::Decimal(value) => value.to_string(),
        Value::Bytes(bytes) => base64_text(bytes),
        other => return Err(CodecError::new(format!("{other:?} is no field of text"))),
    })
}

#[cfg(test)]
mod tests {
    use millstream_model::FormatOptions;

    use super::*;

    fn codec(columns: &[(&str, Type)], delimiter: Option<char>) -> Arc<dyn RowCodec> {
        let columns: Vec<_> = columns.iter().map(|(name, ty)| Column::new(*name, ty.clone())).collect();
        let options = FormatOptions { delimiter, ..FormatOptions::default() };
        let spec = RowSpec { topic: "t", side: Side::Value, columns: &columns, options: &options };
        DelimitedRows.writer(spec).unwrap()
    }

    #[test]
    fn lines_are_written_as_they_are_read() {
        let three = [("A", Type::String), ("B", Type::Bigint), ("C", Type::Bytes)];
        let cases: [(&str, [Value; 3]); 4] = [
            ("plain,7,AQI=", [Value::text("plain"), Value::Bigint(7), Value::Bytes([1, 2].into())]),
            (",,", [Value::Null, Value::Null, Value::Null]),
            ("\"a,\"\"b\"\"\",-1,", [Value::text("a,\"b\""), Value::Bigint(-1), Value::Null]),
            ("\"-a\",-1,", [Value::text("-a"), Value::Bigint(-1), Value::Null]),
        ];
        for (line, row) in cases {
            let (codec, mut out) = (codec(&three, None), Vec::new());
            codec.encode(&row, &mut out).unwrap();
            assert_eq!(std::str::from_utf8(&out), Ok(line));
            assert_eq!(codec.decode(line.as_bytes()), Ok(row.to_vec()));
        }
        let tabbed = codec(&three[..2], Some('\t'));
        assert_eq!(tabbed.decode(b"a,b\t2"), Ok(vec![Value::text("a,b"), Value::Bigint(2)]));
    }

    #[test]
    fn lines_that_do_not_fit_are_refused() {
        let two = codec(&[("A", Type::String), ("B", Type::Int)], None);
        for (line, said) in [("a", "1 fields stand where 2 columns are"), ("a,b", "'b' is not B INT")] {
            assert_eq!(two.decode(line.as_bytes()).unwrap_err().to_string(), said);
        }
    }
}
