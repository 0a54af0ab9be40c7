use anyhow::{Context as _, anyhow, bail};
use millstream_avro_codec::Registry;
use millstream_json_codec::Document;
use millstream_model::{Column, Type};
use millstream_ports::{Side, base64_bytes, base64_text};

use super::avro::Schema;

/// One half of a topic's records, as a case writes it and as bytes. The bytes are made and read here by the format's own
/// rules, and not by the engine's codecs.
pub(crate) struct Half<'a> {
    pub(crate) topic: &'a str,
    pub(crate) side: Side,
    pub(crate) format: &'a str,
    pub(crate) columns: &'a [Column],
    pub(crate) registry: &'a Registry,
}

type Bytes = Option<Vec<u8>>;

impl Half<'_> {
    /// The bytes of what a case writes.
    pub(crate) fn write(&self, document: &Document) -> anyhow::Result<Bytes> {
        if document.is_null() {
            return Ok(None);
        }
        Ok(Some(match self.format {
            "JSON" => document.to_string().into_bytes(),
            "JSON_SR" => {
                let id = self.registry.latest(&self.subject())?.map_or(1, |latest| latest.id);
                [&[0][..], &id.to_be_bytes(), document.to_string().as_bytes()].concat()
            }
            "AVRO" => {
                let latest = self.registry.latest(&self.subject())?.context("no schema is registered")?;
                let mut bytes = [&[0][..], &latest.id.to_be_bytes()].concat();
                Schema::parse(&latest.schema)?.write(document, &mut bytes)?;
                bytes
            }
            "KAFKA" => primitive(document, self.columns)?,
            "NONE" => return Ok(None),
            _ => plain(document).into_bytes(),
        }))
    }

    /// What a case would write for these bytes.
    pub(crate) fn read(&self, bytes: Option<&[u8]>) -> anyhow::Result<Document> {
        let Some(bytes) = bytes else { return Ok(Document::Null) };
        let parse = |bytes: &[u8]| Document::parse(bytes).map_err(|reason| anyhow!(reason));
        Ok(match self.format {
            "JSON" => parse(bytes)?,
            "JSON_SR" => parse(bytes.get(5..).context("the frame is cut off")?)?,
            "AVRO" => {
                let (_, rest) = bytes.split_first().context("the frame is cut off")?;
                let (id, datum) = rest.split_first_chunk::<4>().context("the frame is cut off")?;
                Schema::parse(&self.registry.text(u32::from_be_bytes(*id))?)?.read(datum)?
            }
            "KAFKA" => unprimitive(bytes, self.columns)?,
            "NONE" => Document::Null,
            _ => Document::Text(String::from_utf8(bytes.to_vec())?),
        })
    }

    fn subject(&self) -> String {
        format!("{}-{}", self.topic, if self.side == Side::Key { "key" } else { "value" })
    }
}

fn plain(document: &Document) -> String {
    document.as_text().map_or_else(|| document.to_string(), str::to_owned)
}

/// Kafka's serializers: big-endian numbers, texts in UTF-8, bytes.
fn primitive(document: &Document, columns: &[Column]) -> anyhow::Result<Vec<u8>> {
    let text = plain(document);
    let ty = columns.first().map_or(&Type::String, |column| &column.ty);
    let cut = || text.split('.').next().unwrap_or_default().parse::<i64>().context("no whole number");
    Ok(match ty {
        Type::Int => i32::try_from(cut()?)?.to_be_bytes().to_vec(),
        Type::Bigint | Type::Timestamp => cut()?.to_be_bytes().to_vec(),
        Type::Double => text.parse::<f64>()?.to_be_bytes().to_vec(),
        Type::Bytes => base64_bytes(&text).context("bytes are not in base64")?,
        _ => text.into_bytes(),
    })
}

fn unprimitive(bytes: &[u8], columns: &[Column]) -> anyhow::Result<Document> {
    let number = |text: String| Document::Number(text);
    Ok(match columns.first().map_or(&Type::String, |column| &column.ty) {
        Type::Int => number(i32::from_be_bytes(bytes.try_into()?).to_string()),
        Type::Bigint => number(i64::from_be_bytes(bytes.try_into()?).to_string()),
        Type::Double => number(format!("{:e}d", f64::from_be_bytes(bytes.try_into()?))),
        Type::Bytes => Document::Text(base64_text(bytes)),
        Type::String => Document::Text(String::from_utf8(bytes.to_vec())?),
        other => bail!("{other} is no primitive"),
    })
}
