//! Texts of several statements: where each ends, what is noted before it, and which variables stand in it.

use std::collections::BTreeMap;
use std::str::CharIndices;

/// One statement of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The statement, without the semicolon.
    pub text: String,
    /// The line that it begins in, from 1.
    pub line: usize,
    /// Whether a semicolon ends it; only the last piece may lack one.
    pub is_whole: bool,
    /// The comments before it that begin with `--@`, without those three characters.
    pub notes: Vec<String>,
}

/// A text that is read statement by statement.
#[derive(Debug)]
pub struct Script<'t> {
    text: &'t str,
    chars: std::iter::Peekable<CharIndices<'t>>,
    line: usize,
}

/// The statements of a text. Semicolons within quotes and comments end none.
pub fn pieces(text: &str) -> Vec<Piece> {
    let script = Script { text, chars: text.char_indices().peekable(), line: 1 };
    script.collect()
}

impl Iterator for Script<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        let mut piece = Piece::default();
        let mut begin = None;
        while let Some((at, c)) = self.step() {
            let second = self.chars.peek().map(|(_, next)| *next);
            match (c, second) {
                ('-', Some('-')) => self.remark(at, begin.is_none(), &mut piece.notes),
                ('/', Some('*')) => self.block(),
                (';', _) if begin.is_some() => return Some(self.cut(piece, begin, at, true)),
                (';', _) => {}
                (c, _) if c.is_whitespace() => {}
                (c, _) => {
                    if begin.is_none() {
                        (begin, piece.line) = (Some(at), self.line);
                    }
                    if matches!(c, '\'' | '"' | '`') {
                        self.quoted(c);
                    }
                }
            }
        }
        begin.is_some().then(|| self.cut(piece, begin, self.text.len(), false))
    }
}

impl Script<'_> {
    fn step(&mut self) -> Option<(usize, char)> {
        let next = self.chars.next();
        if let Some((_, '\n')) = next {
            self.line += 1;
        }
        next
    }

    fn cut(&self, piece: Piece, begin: Option<usize>, end: usize, is_whole: bool) -> Piece {
        let text = self.text.get(begin.unwrap_or(end)..end).unwrap_or_default().trim_end().to_owned();
        Piece { text, is_whole, ..piece }
    }

    /// A comment to the line's end, whose first dash was taken.
    fn remark(&mut self, at: usize, is_before: bool, notes: &mut Vec<String>) {
        let mut end = self.text.len();
        while let Some((place, c)) = self.step() {
            if c == '\n' {
                end = place;
                break;
            }
        }
        let said = self.text.get(at..end).and_then(|said| said.strip_prefix("--@"));
        notes.extend(said.filter(|_| is_before).map(|said| said.trim().to_owned()));
    }

    fn block(&mut self) {
        let mut last = ' ';
        self.step();
        while let Some((_, c)) = self.step() {
            if last == '*' && c == '/' {
                return;
            }
            last = c;
        }
    }

    /// To the closing quote; a doubled one ends and begins anew, which comes to the same.
    fn quoted(&mut self, quote: char) {
        while let Some((_, c)) = self.step() {
            if c == quote {
                return;
            }
        }
    }
}

/// The text with each `${name}` replaced by what the variable stands for.
///
/// # Errors
/// The name of a variable that is not defined.
pub fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("${") {
        let Some((name, after)) = behind.split_once('}') else { break };
        out.push_str(before);
        let found = variables.iter().find(|(known, _)| known.eq_ignore_ascii_case(name.trim()));
        let (_, value) = found.ok_or_else(|| name.trim().to_owned())?;
        out.push_str(value);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_quotes_and_comments() {
        let text = "-- a; b\nSELECT ';' /* ; */ FROM `a;b`;\n\n  SET 'x' = 'it''s;';;\nSHOW";
        let found = pieces(text);
        let texts: Vec<_> =
            found.iter().map(|piece| (piece.text.as_str(), piece.line, piece.is_whole)).collect();
        assert_eq!(
            texts,
            [("SELECT ';' /* ; */ FROM `a;b`", 2, true), ("SET 'x' = 'it''s;'", 4, true), ("SHOW", 5, false)]
        );
        assert!(pieces(" -- nothing\n ; ").is_empty());
    }

    #[test]
    fn notes_stand_before_their_statement() {
        let found = pieces("--@test: first\n--@expected.error: x\nA;\n-- no\nB --@later\n;");
        assert_eq!(found[0].notes, ["test: first", "expected.error: x"]);
        assert!(found[1].notes.is_empty());
    }

    #[test]
    fn variables_are_put_in_wherever_they_stand() {
        let variables = BTreeMap::from([("topic".to_owned(), "clicks".to_owned())]);
        assert_eq!(substitute("a '${topic}' ${TOPIC}$ $", &variables).unwrap(), "a 'clicks' clicks$ $");
        assert_eq!(substitute("${no}", &variables).unwrap_err(), "no");
        assert_eq!(substitute("${", &variables).unwrap(), "${");
    }
}
