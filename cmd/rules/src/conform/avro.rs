//! Avro's binary encoding (specification 1.11, "Binary Encoding") between JSON documents and bytes, by a schema in JSON. It is
//! written apart from the codec that it checks.

use std::collections::BTreeMap;

use anyhow::{Context as _, anyhow, bail};
use millstream_json_codec::Document;
use millstream_ports::{base64_bytes, base64_text};

/// A schema and the types named in it.
pub(crate) struct Schema {
    root: Document,
    named: BTreeMap<String, Document>,
}

impl Schema {
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        let root = Document::parse(text.as_bytes()).map_err(|reason| anyhow!(reason))?;
        let mut named = BTreeMap::new();
        name_all(&root, &mut named);
        Ok(Self { root, named })
    }

    pub(crate) fn write(&self, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        self.put(&self.root, document, out)
    }

    pub(crate) fn read(&self, mut bytes: &[u8]) -> anyhow::Result<Document> {
        let document = self.take(&self.root, &mut bytes)?;
        if bytes.is_empty() { Ok(document) } else { Err(anyhow!("bytes are left behind the datum")) }
    }

    /// A type's name, and its definition where it is written out.
    fn kind<'s>(&'s self, schema: &'s Document) -> (&'s str, &'s Document) {
        match schema {
            Document::Array(_) => ("union", schema),
            Document::Text(name) => match self.named.get(name) {
                Some(known) => self.kind(known),
                None => (name, schema),
            },
            schema => match schema.get("type") {
                Some(Document::Text(name)) => (name, schema),
                Some(inner) => self.kind(inner),
                None => ("", schema),
            },
        }
    }

    fn put(&self, schema: &Document, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let (kind, schema) = self.kind(schema);
        let digits = || match document {
            Document::Number(digits) | Document::Text(digits) => Ok(digits.as_str()),
            other => Err(anyhow!("{other} is no {kind}")),
        };
        match kind {
            "null" => {}
            "boolean" => out.push(u8::from(*document == Document::Boolean(true))),
            "int" | "long" => long(cut(digits()?)?, out),
            "float" => out.extend_from_slice(&digits()?.parse::<f32>()?.to_le_bytes()),
            "double" => out.extend_from_slice(&digits()?.parse::<f64>()?.to_le_bytes()),
            "bytes" if logical(schema) == Some("decimal") => counted(&unscaled(digits()?, schema)?, out)?,
            "bytes" => {
                let text = document.as_text().context("no text stands for bytes")?;
                counted(&base64_bytes(text).context("bytes are not in base64")?, out)?;
            }
            "string" => counted(plain(document).as_bytes(), out)?,
            "enum" => {
                let symbols = schema.get("symbols").map_or(&[][..], Document::elements);
                let place = symbols.iter().position(|symbol| symbol == document).context("no such symbol")?;
                long(i64::try_from(place)?, out);
            }
            "array" => self.put_array(schema, document, out)?,
            "map" => {
                let entries = document.entries();
                block(entries.len(), out)?;
                for (key, each) in entries {
                    counted(key.as_bytes(), out)?;
                    self.put(schema.get("values").unwrap_or(&Document::Null), each, out)?;
                }
                end(entries.len(), out);
            }
            "record" => self.put_record(schema, document, out)?,
            "union" => self.put_union(schema, document, out)?,
            other => bail!("the Avro type {other} is not known"),
        }
        Ok(())
    }

    fn put_array(&self, schema: &Document, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let items = schema.get("items").unwrap_or(&Document::Null);
        // A map whose keys are no plain texts is an array of entries.
        let entry = |(key, value): &(String, Document)| {
            let fields = [("key", Document::Text(key.clone())), ("value", value.clone())];
            Document::Object(fields.map(|(name, of)| (name.to_owned(), of)).to_vec())
        };
        let entries: Vec<_> = document.entries().iter().map(entry).collect();
        let all = if entries.is_empty() { document.elements() } else { &entries };
        block(all.len(), out)?;
        for each in all {
            self.put(items, each, out)?;
        }
        end(all.len(), out);
        Ok(())
    }

    fn put_record(&self, schema: &Document, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        for field in schema.get("fields").map_or(&[][..], Document::elements) {
            let name = field.get("name").and_then(Document::as_text).unwrap_or_default();
            let is_named = |(known, _): &&(String, Document)| known.to_uppercase() == name.to_uppercase();
            let found =
                document.get(name).or_else(|| document.entries().iter().find(is_named).map(|(_, of)| of));
            let found = found.or_else(|| field.get("default")).unwrap_or(&Document::Null);
            let ty = field.get("type").unwrap_or(&Document::Null);
            self.put(ty, found, out).with_context(|| format!("field {name}"))?;
        }
        Ok(())
    }

    fn put_union(&self, schema: &Document, document: &Document, out: &mut Vec<u8>) -> anyhow::Result<()> {
        let variants = schema.elements();
        let fits = |variant: &&Document| (self.kind(variant).0 == "null") == document.is_null();
        // Of several types, the first that takes the value.
        for (place, variant) in variants.iter().enumerate().filter(|(_, variant)| fits(variant)) {
            let mut datum = Vec::new();
            if self.put(variant, document, &mut datum).is_ok() {
                long(i64::try_from(place)?, out);
                out.extend_from_slice(&datum);
                return Ok(());
            }
        }
        Err(anyhow!("{document} is none of the union's types"))
    }

    fn take(&self, schema: &Document, bytes: &mut &[u8]) -> anyhow::Result<Document> {
        let (kind, schema) = self.kind(schema);
        Ok(match kind {
            "null" => Document::Null,
            "boolean" => Document::Boolean(take_some::<1>(bytes)? == [1]),
            "int" | "long" => Document::Number(take_long(bytes)?.to_string()),
            "float" => near(f64::from(f32::from_le_bytes(take_some(bytes)?))),
            "double" => near(f64::from_le_bytes(take_some(bytes)?)),
            "bytes" if logical(schema) == Some("decimal") => scaled(take_counted(bytes)?, schema),
            "bytes" => Document::Text(base64_text(take_counted(bytes)?)),
            "string" => Document::Text(String::from_utf8(take_counted(bytes)?.to_vec())?),
            "enum" => {
                let place = usize::try_from(take_long(bytes)?)?;
                schema.get("symbols").and_then(|all| all.elements().get(place)).context("no symbol")?.clone()
            }
            "array" => Document::Array(self.take_blocks(schema.get("items"), bytes, Self::take)?),
            "map" => {
                Document::Object(self.take_blocks(schema.get("values"), bytes, |schema, ty, bytes| {
                    let key = String::from_utf8(take_counted(bytes)?.to_vec())?;
                    Ok((key, schema.take(ty, bytes)?))
                })?)
            }
            "record" => {
                let mut fields = Vec::new();
                for field in schema.get("fields").map_or(&[][..], Document::elements) {
                    let name = field.get("name").and_then(Document::as_text).unwrap_or_default().to_owned();
                    fields.push((name, self.take(field.get("type").unwrap_or(&Document::Null), bytes)?));
                }
                Document::Object(fields)
            }
            "union" => {
                let place = usize::try_from(take_long(bytes)?)?;
                self.take(schema.elements().get(place).context("no such variant")?, bytes)?
            }
            other => bail!("the Avro type {other} is not known"),
        })
    }

    fn take_blocks<T>(
        &self,
        ty: Option<&Document>,
        bytes: &mut &[u8],
        each: impl Fn(&Self, &Document, &mut &[u8]) -> anyhow::Result<T>,
    ) -> anyhow::Result<Vec<T>> {
        let mut all = Vec::new();
        loop {
            let count = take_long(bytes)?;
            if count < 0 {
                take_long(bytes)?;
            }
            if count == 0 {
                return Ok(all);
            }
            for _ in 0..count.unsigned_abs() {
                all.push(each(self, ty.unwrap_or(&Document::Null), bytes)?);
            }
        }
    }
}

fn name_all(schema: &Document, named: &mut BTreeMap<String, Document>) {
    if let Some(name) = schema.get("name").and_then(Document::as_text)
        && schema
            .get("type")
            .and_then(Document::as_text)
            .is_some_and(|ty| ["record", "enum", "fixed"].contains(&ty))
    {
        named.insert(name.to_owned(), schema.clone());
        if let Some(space) = schema.get("namespace").and_then(Document::as_text) {
            named.insert(format!("{space}.{name}"), schema.clone());
        }
    }
    schema.elements().iter().for_each(|each| name_all(each, named));
    schema.entries().iter().for_each(|(_, each)| name_all(each, named));
}

fn logical(schema: &Document) -> Option<&str> {
    schema.get("logicalType").and_then(Document::as_text)
}

fn plain(document: &Document) -> String {
    document.as_text().map_or_else(|| document.to_string(), str::to_owned)
}

/// A whole number; what stands behind its point is cut off.
fn cut(digits: &str) -> anyhow::Result<i64> {
    Ok(digits.split('.').next().unwrap_or_default().parse()?)
}

fn long(value: i64, out: &mut Vec<u8>) {
    let mut rest = u64::from_le_bytes((value << 1 ^ value >> 63).to_le_bytes());
    while rest >= 0x80 {
        out.push(u8::try_from(rest & 0x7f).unwrap_or_default() | 0x80);
        rest >>= 7;
    }
    out.push(u8::try_from(rest).unwrap_or_default());
}

fn take_long(bytes: &mut &[u8]) -> anyhow::Result<i64> {
    let (mut bits, mut shift) = (0_u64, 0);
    loop {
        let [byte] = take_some::<1>(bytes)?;
        bits |= u64::from(byte & 0x7f).checked_shl(shift).context("a number is too long")?;
        shift += 7;
        if byte < 0x80 {
            return Ok(i64::from_le_bytes((bits >> 1).to_le_bytes()) ^ -i64::try_from(bits & 1)?);
        }
    }
}

fn take_some<const N: usize>(bytes: &mut &[u8]) -> anyhow::Result<[u8; N]> {
    let (some, rest) = bytes.split_first_chunk::<N>().context("the datum is cut off")?;
    *bytes = rest;
    Ok(*some)
}

fn counted(part: &[u8], out: &mut Vec<u8>) -> anyhow::Result<()> {
    long(i64::try_from(part.len())?, out);
    out.extend_from_slice(part);
    Ok(())
}

fn take_counted<'b>(bytes: &mut &'b [u8]) -> anyhow::Result<&'b [u8]> {
    let count = usize::try_from(take_long(bytes)?)?;
    let (part, rest) = bytes.split_at_checked(count).context("the datum is cut off")?;
    *bytes = rest;
    Ok(part)
}

fn block(count: usize, out: &mut Vec<u8>) -> anyhow::Result<()> {
    long(i64::try_from(count)?, out);
    Ok(())
}

/// Closes the blocks; an empty one has closed itself.
fn end(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        out.push(0);
    }
}

/// A number of binary floating point, marked as such so that it is compared nearly. Exact ones are marked too.
fn near(value: f64) -> Document {
    Document::Number(format!("{value:e}d"))
}

fn scale_of(schema: &Document) -> usize {
    schema.get("scale").and_then(Document::as_whole).and_then(|scale| scale.try_into().ok()).unwrap_or(0)
}

fn unscaled(digits: &str, schema: &Document) -> anyhow::Result<Vec<u8>> {
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = scale_of(schema);
    anyhow::ensure!(fraction.len() <= scale, "{digits} has more digits than the schema");
    let number: i128 = format!("{whole}{fraction:0<scale$}").parse()?;
    let bytes = number.to_be_bytes();
    let sign = if number < 0 { 0xff } else { 0 };
    let spare =
        bytes.windows(2).take_while(|pair| matches!(pair, [a, b] if *a == sign && (b ^ sign) & 0x80 == 0));
    Ok(bytes.get(spare.count()..).unwrap_or_default().to_vec())
}

fn scaled(bytes: &[u8], schema: &Document) -> Document {
    let negative = bytes.first().is_some_and(|byte| byte & 0x80 != 0);
    let number =
        bytes.iter().fold(if negative { -1_i128 } else { 0 }, |number, byte| number << 8 | i128::from(*byte));
    let scale = scale_of(schema);
    let digits = format!("{:0>width$}", number.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let point = if scale == 0 { "" } else { "." };
    Document::Number(format!("{}{whole}{point}{fraction}m", if number < 0 { "-" } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_back_as_they_were() {
        let schema = r#"{"type": "record", "name": "R", "fields": [
            {"name": "A", "type": ["null", {"type": "array", "items": "long"}]},
            {"name": "M", "type": {"type": "map", "values": ["null", "R"]}},
            {"name": "D", "type": {"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}}]}"#;
        let schema = Schema::parse(schema).unwrap();
        let inner = r#"{"A":null,"M":{},"D":-0.50}"#;
        let text = format!(r#"{{"A":[-1,64,-9223372036854775808],"M":{{"x":{inner},"y":null}},"D":123.45}}"#);
        let document = Document::parse(text.as_bytes()).unwrap();
        let mut bytes = Vec::new();
        schema.write(&document, &mut bytes).unwrap();
        assert_eq!(schema.read(&bytes).unwrap().to_string().replace('m', ""), document.to_string());
    }
}
