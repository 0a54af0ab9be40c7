use super::Json;

/// Arrays within arrays beyond this are refused, in levels.
const DEPTH_MAX: u16 = 500;

pub(super) fn document(text: &str) -> Option<Json> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.blanks();
    reader.rest.is_empty().then_some(value)
}

struct Reader<'t> {
    rest: &'t str,
}

impl Reader<'_> {
    fn blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\n', '\r']);
    }

    fn take(&mut self, symbol: &str) -> bool {
        self.blanks();
        match self.rest.strip_prefix(symbol) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: u16) -> Option<Json> {
        if depth > DEPTH_MAX {
            return None;
        }
        self.blanks();
        match self.rest.chars().next()? {
            '{' => self.object(depth),
            '[' => self.array(depth),
            '"' => self.text().map(|text| Json::Text(text.into())),
            't' => self.take("true").then_some(Json::Boolean(true)),
            'f' => self.take("false").then_some(Json::Boolean(false)),
            'n' => self.take("null").then_some(Json::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: u16) -> Option<Json> {
        self.take("{");
        let mut members = Vec::new();
        if self.take("}") {
            return Some(Json::Object(members));
        }
        loop {
            self.blanks();
            let name = self.text()?;
            if !self.take(":") {
                return None;
            }
            let value = self.value(depth + 1)?;
            Json::set(&mut members, name.into(), value);
            if self.take("}") {
                return Some(Json::Object(members));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn array(&mut self, depth: u16) -> Option<Json> {
        self.take("[");
        let mut elements = Vec::new();
        if self.take("]") {
            return Some(Json::Array(elements));
        }
        loop {
            elements.push(self.value(depth + 1)?);
            if self.take("]") {
                return Some(Json::Array(elements));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Json> {
        let end =
            self.rest.find(|c: char| !c.is_ascii_digit() && !"+-.eE".contains(c)).unwrap_or(self.rest.len());
        let (digits, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        is_number(digits).then(|| Json::Number(digits.into()))
    }

    fn text(&mut self) -> Option<String> {
        let mut out = String::new();
        let mut characters = self.rest.strip_prefix('"')?.chars();
        loop {
            match characters.next()? {
                '"' => break,
                '\\' => out.push(escaped(&mut characters)?),
                c if c < ' ' => return None,
                c => out.push(c),
            }
        }
        self.rest = characters.as_str();
        Some(out)
    }
}

/// `-12.50e3`: no zero before other digits, and digits on both sides of the point.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(m, e)| (m, Some(e)));
    let (whole, fraction) = mantissa.split_once('.').map_or((mantissa, None), |(w, f)| (w, Some(f)));
    let whole = whole.strip_prefix('-').unwrap_or(whole);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    is_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(is_digits)
        && exponent.is_none_or(|exponent| is_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

fn escaped(rest: &mut std::str::Chars<'_>) -> Option<char> {
    Some(match rest.next()? {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'b' => '\u{8}',
        'f' => '\u{c}',
        'u' => {
            let high = unit(rest)?;
            if !(0xd800..0xdc00).contains(&high) {
                return char::from_u32(u32::from(high));
            }
            if rest.next()? != '\\' || rest.next()? != 'u' {
                return None;
            }
            char::decode_utf16([high, unit(rest)?]).next()?.ok()?
        }
        c @ ('"' | '\\' | '/') => c,
        _ => return None,
    })
}

fn unit(rest: &mut std::str::Chars<'_>) -> Option<u16> {
    let digits = rest.as_str().get(..4)?;
    *rest = rest.as_str().get(4..)?.chars();
    u16::from_str_radix(digits, 16).ok()
}
