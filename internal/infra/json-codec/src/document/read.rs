use super::Document;
use super::lexer::{Kind, Lexer, Read};

pub(super) fn document(bytes: &[u8]) -> Read<Document> {
    let mut lexer = Lexer::new(bytes)?;
    let document = Document::read(&mut lexer, 0)?;
    lexer.end(document)
}

impl Document {
    /// Reads the value ahead, which is as deep as told.
    pub(crate) fn read(lexer: &mut Lexer<'_>, depth: usize) -> Read<Self> {
        Ok(match lexer.kind(depth)? {
            Kind::Word => lexer.word()?.map_or(Self::Null, Self::Boolean),
            Kind::Number => Self::Number(lexer.number()?.to_owned()),
            Kind::Text => Self::Text(lexer.string()?.into_owned()),
            Kind::Array => {
                let (mut elements, mut goes_on) = (Vec::new(), lexer.enters_array());
                while goes_on {
                    elements.push(Self::read(lexer, depth + 1)?);
                    goes_on = lexer.has_element()?;
                }
                Self::Array(elements)
            }
            Kind::Object => {
                let (mut entries, mut goes_on) = (Vec::new(), lexer.enters_object());
                while goes_on {
                    let name = lexer.name()?.into_owned();
                    entries.push((name, Self::read(lexer, depth + 1)?));
                    goes_on = lexer.has_entry()?;
                }
                Self::Object(entries)
            }
        })
    }
}
