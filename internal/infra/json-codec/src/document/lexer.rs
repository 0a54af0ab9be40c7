use std::borrow::Cow;

/// How deep documents may be nested.
const DEPTH_MAX: usize = 256;

pub(crate) type Read<T> = Result<T, String>;

/// What a value begins as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `null`, `true`, `false`, or no value.
    Word,
    Number,
    Text,
    Array,
    Object,
}

/// A JSON text taken apart from the front, without a copy of it where none is needed (RFC 8259).
pub(crate) struct Lexer<'a> {
    text: &'a str,
    place: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Read<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))?;
        Ok(Self { text, place: 0 })
    }

    pub(crate) fn wrong(&self, what: &str) -> String {
        format!("not JSON: {what} at byte {}", self.place)
    }

    /// How far it has come, in bytes.
    pub(crate) fn place(&self) -> usize {
        self.place
    }

    /// Goes back to where it was.
    pub(crate) fn back_to(&mut self, place: usize) {
        self.place = place;
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.place += 1;
        }
    }

    /// Takes a symbol, past any space before it.
    pub(crate) fn takes(&mut self, symbol: u8) -> bool {
        self.space();
        let is_it = self.peek() == Some(symbol);
        self.place += usize::from(is_it);
        is_it
    }

    /// What the value ahead begins as, which is as deep as told.
    pub(crate) fn kind(&mut self, depth: usize) -> Read<Kind> {
        if depth > DEPTH_MAX {
            return Err(self.wrong("it is nested too deep"));
        }
        self.space();
        Ok(match self.peek() {
            Some(b'"') => Kind::Text,
            Some(b'[') => Kind::Array,
            Some(b'{') => Kind::Object,
            Some(b'-' | b'0'..=b'9') => Kind::Number,
            _ => Kind::Word,
        })
    }

    /// A truth, or none for `null`.
    pub(crate) fn word(&mut self) -> Read<Option<bool>> {
        for (word, truth) in [("null", None), ("true", Some(true)), ("false", Some(false))] {
            if self.rest().starts_with(word) {
                self.place += word.len();
                return Ok(truth);
            }
        }
        Err(self.wrong("a value is expected"))
    }

    fn digits(&mut self) -> Read<()> {
        let count = self.rest().bytes().take_while(u8::is_ascii_digit).count();
        self.place += count;
        if count == 0 { Err(self.wrong("a digit is expected")) } else { Ok(()) }
    }

    /// A number, as it was written.
    pub(crate) fn number(&mut self) -> Read<&'a str> {
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
        Ok(self.text.get(start..self.place).unwrap_or_default())
    }

    /// Enters an array, and answers whether it has an element.
    pub(crate) fn enters_array(&mut self) -> bool {
        self.place += 1;
        !self.takes(b']')
    }

    /// Behind an element, whether there is another.
    pub(crate) fn has_element(&mut self) -> Read<bool> {
        self.goes_on(b']', "a comma or ']' is expected")
    }

    /// Enters an object, and answers whether it has an entry.
    pub(crate) fn enters_object(&mut self) -> bool {
        self.place += 1;
        !self.takes(b'}')
    }

    /// Behind an entry, whether there is another.
    pub(crate) fn has_entry(&mut self) -> Read<bool> {
        self.goes_on(b'}', "a comma or '}' is expected")
    }

    fn goes_on(&mut self, end: u8, expected: &str) -> Read<bool> {
        if self.takes(b',') {
            return Ok(true);
        }
        if self.takes(end) { Ok(false) } else { Err(self.wrong(expected)) }
    }

    /// An entry's name, and the colon behind it.
    pub(crate) fn name(&mut self) -> Read<Cow<'a, str>> {
        self.space();
        let name = self.string()?;
        if self.takes(b':') { Ok(name) } else { Err(self.wrong("a colon is expected")) }
    }

    /// A text, as it stands there where nothing in it is escaped.
    pub(crate) fn string(&mut self) -> Read<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return Err(self.wrong("a text is expected"));
        }
        self.place += 1;
        let plain = self.plain()?;
        if self.peek() == Some(b'"') {
            self.place += 1;
            return Ok(Cow::Borrowed(plain));
        }
        let mut out = plain.to_owned();
        loop {
            match self.peek() {
                Some(b'"') => {
                    self.place += 1;
                    return Ok(Cow::Owned(out));
                }
                Some(b'\\') => out.push(self.escape()?),
                _ => return Err(self.wrong("a control character stands in a text")),
            }
            out.push_str(self.plain()?);
        }
    }

    /// What stands up to a quote, an escape or a control character.
    fn plain(&mut self) -> Read<&'a str> {
        let rest = self.rest();
        let Some(count) = rest.bytes().position(|byte| byte == b'"' || byte == b'\\' || byte < 0x20) else {
            return Err(self.wrong("the text has no end"));
        };
        self.place += count;
        Ok(rest.get(..count).unwrap_or_default())
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

    /// Passes over a value, which is looked at only as far as it must be JSON.
    pub(crate) fn skip(&mut self, depth: usize) -> Read<()> {
        match self.kind(depth)? {
            Kind::Word => self.word().map(drop),
            Kind::Number => self.number().map(drop),
            Kind::Text => self.string().map(drop),
            Kind::Array => {
                let mut goes_on = self.enters_array();
                while goes_on {
                    self.skip(depth + 1)?;
                    goes_on = self.has_element()?;
                }
                Ok(())
            }
            Kind::Object => {
                let mut goes_on = self.enters_object();
                while goes_on {
                    self.name()?;
                    self.skip(depth + 1)?;
                    goes_on = self.has_entry()?;
                }
                Ok(())
            }
        }
    }

    /// Answers what was read if nothing stands behind it.
    pub(crate) fn end<T>(mut self, read: T) -> Read<T> {
        self.space();
        if self.place < self.text.len() { Err(self.wrong("nothing more is expected")) } else { Ok(read) }
    }
}
