use memchr::memmem::Finder;

use super::Failure;

/// What LIKE looks for: `%` stands for any characters, `_` for one, and what stands behind the escape for itself.
#[derive(Clone, Debug)]
pub struct Pattern {
    wants: Vec<Want>,
    /// The same where it is but a text at a place.
    plain: Option<Plain>,
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.wants == other.wants
    }
}

/// A text, and where it is to stand in another.
#[derive(Clone, Debug)]
enum Plain {
    Whole(String),
    Front(String),
    End(String),
    Anywhere(Box<Finder<'static>>),
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Want {
    Any,
    One,
    Character(char),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When nothing stands behind the escape.
    pub(crate) fn new(text: &str, escape: Option<char>) -> Result<Self, Failure> {
        let mut wants = Vec::with_capacity(text.len());
        let mut characters = text.chars();
        while let Some(c) = characters.next() {
            wants.push(match c {
                c if Some(c) == escape => Want::Character(
                    characters.next().ok_or_else(|| Failure::new("a pattern ends with its escape"))?,
                ),
                '%' => Want::Any,
                '_' => Want::One,
                c => Want::Character(c),
            });
        }
        Ok(Self { plain: plain(&wants), wants })
    }

    /// The longest text that stands in whatever is like this; empty where there is none.
    pub(crate) fn needs(&self) -> String {
        let texts = self.wants.split(|want| !matches!(want, Want::Character(_)));
        texts.map(text_of).max_by_key(String::len).unwrap_or_default()
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        match &self.plain {
            Some(Plain::Whole(wanted)) => text == wanted,
            Some(Plain::Front(wanted)) => text.starts_with(wanted.as_str()),
            Some(Plain::End(wanted)) => text.ends_with(wanted.as_str()),
            Some(Plain::Anywhere(wanted)) => wanted.find(text.as_bytes()).is_some(),
            None => self.walks(text),
        }
    }

    /// Walks back to the last `%` on a mismatch, so it takes time by the product of the lengths at worst.
    fn walks(&self, text: &str) -> bool {
        let (mut rest, mut want, mut star) = (text.chars(), 0, None);
        loop {
            let at = rest.clone();
            match (self.wants.get(want), rest.next()) {
                (Some(Want::Any), _) => {
                    star = Some((want + 1, at.clone()));
                    (rest, want) = (at, want + 1);
                }
                (None, None) => return true,
                (Some(Want::One), Some(_)) => want += 1,
                (Some(Want::Character(wanted)), Some(c)) if *wanted == c => want += 1,
                _ => {
                    let Some((behind, seen)) = &mut star else { return false };
                    if seen.next().is_none() {
                        return false;
                    }
                    (rest, want) = (seen.clone(), *behind);
                }
            }
        }
    }
}

fn text_of(wants: &[Want]) -> String {
    let character = |want: &Want| if let Want::Character(c) = want { Some(*c) } else { None };
    wants.iter().filter_map(character).collect()
}

fn plain(wants: &[Want]) -> Option<Plain> {
    let anywhere = |text: String| Plain::Anywhere(Box::new(Finder::new(&text).into_owned()));
    let (place, wants): (fn(String) -> Plain, _) = match wants {
        [Want::Any, wants @ .., Want::Any] => (anywhere, wants),
        [Want::Any, wants @ ..] => (Plain::End, wants),
        [wants @ .., Want::Any] => (Plain::Front, wants),
        wants => (Plain::Whole, wants),
    };
    let is_text = wants.iter().all(|want| matches!(want, Want::Character(_)));
    is_text.then(|| place(text_of(wants)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_stand_for_what_they_should() {
        for (text, pattern, escape, expected) in [
            ("oak lamp", "%lamp", None, true),
            ("oak lamp", "o_k%", None, true),
            ("oak lamp", "lamp%", None, false),
            ("", "%", None, true),
            ("", "_", None, false),
            ("aXbXc", "%X%X%", None, true),
            ("aab", "%ab", None, true),
            ("50%", "50!%", Some('!'), true),
            ("500", "50!%", Some('!'), false),
            ("a!b", "a!!b", Some('!'), true),
            ("a\nb", "a_b", None, true),
            ("лампа", "л_м%", None, true),
            ("лампа", "%амп%", None, true),
            ("lamp", "lamp", None, true),
            ("lamps", "lamp", None, false),
            ("", "%%", None, true),
        ] {
            let pattern_read = Pattern::new(pattern, escape).unwrap();
            assert_eq!(pattern_read.matches(text), expected, "{text} LIKE {pattern}");
        }
        assert!(Pattern::new("a!", Some('!')).is_err());
    }

    #[test]
    fn what_is_needed_is_the_longest_text() {
        for (pattern, expected) in [("%a_bcd%ef", "bcd"), ("50!%%", "50%"), ("_%", ""), ("лам%", "лам")]
        {
            assert_eq!(Pattern::new(pattern, Some('!')).unwrap().needs(), expected, "{pattern}");
        }
    }

    proptest::proptest! {
        #[test]
        fn it_agrees_with_a_naive_walk(text in "[ab]{0,8}", pattern in "[ab%_]{0,6}") {
            fn naive(text: &[char], pattern: &[char]) -> bool {
                match (pattern.split_first(), text.split_first()) {
                    (None, rest) => rest.is_none(),
                    (Some(('%', more)), rest) => naive(text, more) || rest.is_some_and(|(_, rest)| naive(rest, pattern)),
                    (Some((want, more)), Some((c, rest))) => (*want == '_' || want == c) && naive(rest, more),
                    (Some(_), None) => false,
                }
            }
            let (t, p): (Vec<_>, Vec<_>) = (text.chars().collect(), pattern.chars().collect());
            proptest::prop_assert_eq!(Pattern::new(&pattern, None).unwrap().matches(&text), naive(&t, &p));
        }
    }
}
