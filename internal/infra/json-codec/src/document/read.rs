use super::Document;

/// How deep documents may be nested.
const DEPTH_MAX: usize = 256;

struct Reader<'a> {
    text: &'a str,
    place: usize,
}

type Read<T> = Result<T, String>;

pub(super) fn document(bytes: &[u8]) -> Read<Document> {
    let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
    let mut reader = Reader { text, place: 0 };
    let document = reader.value(0)?;
    reader.space();
    if reader.place < text.len() {
        return Err(reader.wrong("nothing more is expected"));
    }
    Ok(document)
}

impl Reader<'_> {
    fn wrong(&self, what: &str) -> String {
        format!("not JSON: {what} at byte {}", self.place)
    }

    fn rest(&self) -> &str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn space(&mut self) {
        let spaces = self.rest().bytes().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
        self.place += spaces.count();
    }

    /// Takes a symbol, past any space before it.
    fn takes(&mut self, symbol: u8) -> bool {
        self.space();
        let is_it = self.peek() == Some(symbol);
        self.place += usize::from(is_it);
        is_it
    }

    fn value(&mut self, depth: usize) -> Read<Document> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("it is nested too deep"));
        }
        self.space();
        match self.peek() {
            Some(b'"') => self.string().map(Document::Text),
            Some(b'[') => self.array(depth),
            Some(b'{') => self.object(depth),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn word(&mut self) -> Read<Document> {
        let words = [
            ("null", Document::Null),
            ("true", Document::Boolean(true)),
            ("false", Document::Boolean(false)),
        ];
        for (word, document) in words {
            if self.rest().starts_with(word) {
                self.place += word.len();
                return Ok(document);
            }
        }
        Err(self.wrong("a value is expected"))
    }

    fn digits(&mut self) -> Read<()> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.place += count;
        if count == 0 { Err(self.wrong("a digit is expected")) } else { Ok(()) }
    }

    fn number(&mut self) -> Read<Document> {
        let start = self.place;
        self.place += usize::from(self.peek() == Some(b'-'));
        if self.peek() == Some(b'0') {
            self.place += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.place += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.place += 1;
            self.place += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        Ok(Document::Number(self.text.get(start..self.place).unwrap_or_default().to_owned()))
    }

    fn array(&mut self, depth: usize) -> Read<Document> {
        self.place += 1;
        let mut elements = Vec::new();
        if self.takes(b']') {
            return Ok(Document::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.takes(b']') {
                return Ok(Document::Array(elements));
            }
            if !self.takes(b',') {
                return Err(self.wrong("a comma or ']' is expected"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Read<Document> {
        self.place += 1;
        let mut entries = Vec::new();
        if self.takes(b'}') {
            return Ok(Document::Object(entries));
        }
        loop {
            self.space();
            let name = self.string()?;
            if !self.takes(b':') {
                return Err(self.wrong("a colon is expected"));
            }
            entries.push((name, self.value(depth + 1)?));
            if self.takes(b'}') {
                return Ok(Document::Object(entries));
            }
            if !self.takes(b',') {
                return Err(self.wrong("a comma or '}' is expected"));
            }
        }
    }

    fn string(&mut self) -> Read<String> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a text is expected"));
        }
        self.place += 1;
        let mut out = String::new();
        loop {
            let plain = self.rest().find(|c: char| c == '"' || c == '\\' || u32::from(c) < 0x20);
            let Some(plain) = plain else { return Err(self.wrong("the text has no end")) };
            out.push_str(self.rest().get(..plain).unwrap_or_default());
            self.place += plain;
            match self.peek() {
                Some(b'"') => {
                    self.place += 1;
                    return Ok(out);
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.wrong("a control character stands in a text")),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        self.place += 1;
        let kind = self.peek();
        self.place += 1;
        Ok(match kind {
            Some(b'n') => '\n',
            Some(b't') => '\t',
            Some(b'r') => '\r',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'u') => return self.unicode(),
            Some(kind @ (b'"' | b'\\' | b'/')) => char::from(kind),
            _ => return Err(self.wrong("an escape is not known")),
        })
    }

    fn unit(&mut self) -> Read<u32> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.wrong("four hexadecimal digits are expected"))?;
        self.place += 4;
        Ok(unit)
    }

    /// One unit of UTF-16, or two that make a character beyond the first plane.
    fn unicode(&mut self) -> Read<char> {
        let first = self.unit()?;
        let mut code = first;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.place += 2;
            let second = self.unit()?;
            code = 0x1_0000 + ((first - 0xd800) << 10) + (second.wrapping_sub(0xdc00) & 0x3ff);
        }
        char::from_u32(code).ok_or_else(|| self.wrong("half a character stands alone"))
    }
}
