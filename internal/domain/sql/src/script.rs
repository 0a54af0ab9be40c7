//! Texts of several statements: where each ends, what is noted before it, and which variables stand in it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::str::CharIndices;

use crate::catalog::Catalog;
use crate::command::{Command, command};
use crate::diagnostic::{Diagnostic, Span};

/// One statement of a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// The statement, without the semicolon.
    pub text: String,
    /// The line that it begins in, from 1.
    pub line: usize,
    /// The byte of the text that it begins at.
    pub at: usize,
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
                        (begin, piece.line, piece.at) = (Some(at), self.line, at);
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

/// The text with each `${name}` replaced by what the variable stands for; `$${name}` is `${name}` itself.
///
/// # Errors
/// The name of a variable that is not defined.
pub fn substitute(text: &str, variables: &BTreeMap<String, String>) -> Result<String, String> {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, behind)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            out.extend([before, "${"]);
            rest = behind;
            continue;
        }
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

/// The statements of a file in which variables are put in as its own DEFINE and UNDEFINE say, which stand for nothing else.
/// Each line stays where it was. A file without DEFINE has no variables, and is what it was.
///
/// # Errors
/// What of a variable can't be read, or is not defined, by line.
pub fn with_variables(text: &str) -> Result<Cow<'_, str>, Diagnostic> {
    let (mut out, mut done, mut variables) = (String::new(), 0, BTreeMap::new());
    let mut is_begun = false;
    for piece in pieces(text) {
        let mut end = piece.at + piece.text.len();
        let first = piece.text.split_whitespace().next().unwrap_or_default();
        let is_own = ["DEFINE", "UNDEFINE"].iter().any(|word| first.eq_ignore_ascii_case(word));
        is_begun |= is_own;
        out.push_str(text.get(done..piece.at).unwrap_or_default());
        let placed =
            |message: String| Diagnostic::new(Span { line: piece.line, column: 1, length: 1 }, message);
        if is_own {
            match command(&piece.text, &Catalog::new()) {
                Ok(Command::Define(name, Some(value))) => drop(variables.insert(name, value)),
                Ok(Command::Define(name, None)) => {
                    variables.retain(|known, _| !known.eq_ignore_ascii_case(&name))
                }
                Ok(_) => {}
                Err(mistake) => return Err(placed(mistake.message)),
            }
            let behind = text.get(end..).and_then(|rest| rest.find(';')).filter(|_| piece.is_whole);
            end += behind.map_or(0, |at| at + 1);
            out.extend(text.get(piece.at..end).unwrap_or_default().chars().filter(|c| *c == '\n'));
        } else if is_begun {
            let missing = |name: String| {
                placed(format!("the variable {name} is not defined"))
                    .help(format!("write DEFINE {name} = '…' before it"))
            };
            out.push_str(&substitute(&piece.text, &variables).map_err(missing)?);
        } else {
            out.push_str(&piece.text);
        }
        done = end;
    }
    out.push_str(text.get(done..).unwrap_or_default());
    Ok(if is_begun { Cow::Owned(out) } else { Cow::Borrowed(text) })
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
    fn what_stands_for_no_variable_is_written_with_two_dollars() {
        let variables = BTreeMap::from([("a".to_owned(), "x".to_owned())]);
        assert_eq!(substitute("'$${a}' ${a} $1", &variables).unwrap(), "'${a}' x $1");
        assert_eq!(substitute("$${b}${A}", &variables).unwrap(), "${b}x");
    }

    #[test]
    fn a_files_own_variables_are_put_in_and_each_line_stays() {
        let text = "DEFINE a = 'x';\nSELECT ${a},\n '$${a}';\ndefine a\n = 'y'; SELECT ${A} -- ${a}\n;";
        let put = with_variables(text).unwrap();
        let lines: Vec<_> = put.lines().collect();
        assert_eq!(lines[..4], ["", "SELECT x,", " '${a}';", ""]);
        assert_eq!(lines[4], " SELECT y -- y");
        assert!(matches!(with_variables("SELECT '${a}'").unwrap(), Cow::Borrowed(_)));
        let wrong = with_variables("DEFINE a = 'x';\n\nSELECT ${b};").unwrap_err();
        assert!(wrong.span.line == 3 && wrong.message.contains("variable b"), "{wrong:?}");
        assert!(with_variables("DEFINE a = 'x'; UNDEFINE A; SELECT ${a}").is_err());
        assert!(with_variables("DEFINE a").is_err());
    }

    #[test]
    fn variables_are_put_in_wherever_they_stand() {
        let variables = BTreeMap::from([("topic".to_owned(), "clicks".to_owned())]);
        assert_eq!(substitute("a '${topic}' ${TOPIC}$ $", &variables).unwrap(), "a 'clicks' clicks$ $");
        assert_eq!(substitute("${no}", &variables).unwrap_err(), "no");
        assert_eq!(substitute("${", &variables).unwrap(), "${");
    }
}
