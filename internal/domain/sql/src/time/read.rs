use jiff::civil::Weekday;

use super::fields::Fields;
use super::pattern::Piece;
use super::print::{MONTHS, WEEKDAYS};
use super::zone::{Zone, offset};

/// What `text` says by the pieces of a pattern; none where it is not of that form. Loosely, numbers may have any width
/// and anything may stand behind.
pub(super) fn all(pieces: &[Piece], text: &str, is_loose: bool) -> Option<Fields> {
    let mut reader = Reader { rest: text, is_loose, fields: Fields::default() };
    reader.pieces(pieces)?;
    (is_loose || reader.rest.is_empty()).then_some(reader.fields)
}

#[derive(Clone)]
struct Reader<'t> {
    rest: &'t str,
    is_loose: bool,
    fields: Fields,
}

impl Reader<'_> {
    fn pieces(&mut self, pieces: &[Piece]) -> Option<()> {
        for (place, piece) in pieces.iter().enumerate() {
            match piece {
                Piece::Literal(literal) => {
                    let head = self.rest.get(..literal.len())?;
                    self.rest = if head.eq_ignore_ascii_case(literal) {
                        self.rest.get(literal.len()..)?
                    } else {
                        return None;
                    };
                }
                Piece::Optional(inner) => {
                    let mut ahead = self.clone();
                    if ahead.pieces(inner).is_some() {
                        *self = ahead;
                    }
                }
                Piece::Letter(letter, count) => {
                    let behind = pieces.get(place + 1..).unwrap_or_default();
                    self.letter(*letter, *count, reserved(behind))?;
                }
            }
        }
        Some(())
    }

    fn letter(&mut self, letter: char, count: usize, reserved: usize) -> Option<()> {
        match (letter, count) {
            ('M' | 'L', 3..) => self.fields.month = Some(self.name(&MONTHS, count)? + 1),
            ('E', _) | ('e' | 'c', 3..) => self.fields.weekday = Some(self.weekday(count)?),
            ('G', _) => self.fields.is_before_christ = self.word(&["AD", "BC"])? == 1,
            ('a', _) => self.fields.is_afternoon = Some(self.word(&["AM", "PM"])? == 1),
            ('V' | 'z' | 'O' | 'X' | 'x' | 'Z', _) => self.fields.zone = Some(self.zone(letter)?),
            ('S', _) => {
                let digits = self.digits(count, count)?;
                self.fields.nanos = Some(format!("{digits:0<9}").get(..9)?.parse().ok()?);
            }
            ('y' | 'u', 2) => {
                let year = 2000 + self.digits(2, 2)?.parse::<i64>().ok()?;
                self.fields.year_of_era = Some(year);
            }
            _ => {
                let number = self.number(letter, count, reserved)?;
                self.set(letter, number)?;
            }
        }
        Some(())
    }

    fn set(&mut self, letter: char, number: i64) -> Option<()> {
        let fields = &mut self.fields;
        match letter {
            'y' => fields.year_of_era = Some(number),
            'u' => fields.year = Some(number),
            'M' | 'L' => fields.month = Some(number),
            'd' => fields.day = Some(number),
            'D' => fields.day_of_year = Some(number),
            'H' => fields.hour = Some(number),
            'k' => fields.hour = Some((1..=24).contains(&number).then_some(number % 24)?),
            'h' => fields.hour_of_half = Some((1..=12).contains(&number).then_some(number % 12)?),
            'K' => fields.hour_of_half = Some((0..12).contains(&number).then_some(number)?),
            'm' => fields.minute = Some(number),
            's' => fields.second = Some(number),
            'n' => fields.nanos = Some(number),
            'A' => fields.nanos_of_day = Some(number.checked_mul(1_000_000)?),
            'N' => fields.nanos_of_day = Some(number),
            // Quarters and weeks say nothing that the other fields do not.
            'Q' | 'q' | 'w' | 'W' | 'Y' | 'e' | 'c' | 'F' => {}
            _ => return None,
        }
        Some(())
    }

    /// One letter stands for a number of any width, and more of them for one of exactly so many digits.
    fn number(&mut self, letter: char, count: usize, reserved: usize) -> Option<i64> {
        let is_year = matches!(letter, 'y' | 'u' | 'Y');
        let sign = if is_year { self.rest.strip_prefix(['+', '-']) } else { None };
        let is_negative = sign.is_some() && self.rest.starts_with('-');
        let available = self.rest.bytes().take_while(u8::is_ascii_digit).count();
        let most = if let Some(rest) = sign {
            self.rest = rest;
            19
        } else if count == 1 || (self.is_loose && reserved == 0) {
            available.saturating_sub(reserved).min(19)
        } else {
            count
        };
        let least = if count == 1 || self.is_loose { 1 } else { count };
        let number: i64 = self.digits(least, most)?.parse().ok()?;
        Some(if is_negative { -number } else { number })
    }

    fn digits(&mut self, least: usize, most: usize) -> Option<String> {
        let count = self.rest.bytes().take(most).take_while(u8::is_ascii_digit).count();
        let (digits, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        (count >= least && count > 0).then(|| digits.to_owned())
    }

    /// The place of a name, whole or of its first three letters, whatever its capitals.
    fn name(&mut self, names: &[&str], count: usize) -> Option<i64> {
        let shown = |name: &str| if count == 4 { name.len() } else { name.len().min(3) };
        let lengths =
            |name: &&str| if self.is_loose { [name.len(), shown(name)] } else { [shown(name), shown(name)] };
        for (place, name) in names.iter().enumerate() {
            for length in lengths(name) {
                let head = self.rest.get(..length);
                if head.zip(name.get(..length)).is_some_and(|(head, name)| head.eq_ignore_ascii_case(name)) {
                    self.rest = self.rest.get(length..)?;
                    return i64::try_from(place).ok();
                }
            }
        }
        None
    }

    fn weekday(&mut self, count: usize) -> Option<Weekday> {
        let place = self.name(&WEEKDAYS, count)?;
        Weekday::from_monday_zero_offset(i8::try_from(place).ok()?).ok()
    }

    fn word(&mut self, words: &[&str]) -> Option<usize> {
        let found = words.iter().position(|word| {
            self.rest.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word))
        })?;
        self.rest = self.rest.get(words.get(found)?.len()..)?;
        Some(found)
    }

    fn zone(&mut self, letter: char) -> Option<Zone> {
        let is_number = matches!(letter, 'X' | 'x' | 'Z');
        let part = |c: char| {
            c.is_ascii_digit()
                || "+-:".contains(c)
                || (!is_number && (c.is_ascii_alphabetic() || "/_".contains(c)))
        };
        if let (true, Some(rest)) = (is_number, self.rest.strip_prefix(['Z', 'z'])) {
            self.rest = rest;
            return Some(Zone::utc());
        }
        let end = self.rest.find(|c| !part(c)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        if is_number {
            offset(name)?;
        }
        Zone::named(name)
    }
}

/// The digits of the numbers of fixed width that follow immediately.
fn reserved(behind: &[Piece]) -> usize {
    let width = |piece: &Piece| match piece {
        Piece::Letter('S', count)
        | Piece::Letter('M' | 'L', count @ 2)
        | Piece::Letter('y' | 'u' | 'd' | 'D' | 'H' | 'h' | 'k' | 'K' | 'm' | 's', count @ 2..) => {
            Some(*count)
        }
        _ => None,
    };
    behind.iter().map_while(width).sum()
}
