use std::fmt;

use memchr::{memchr2_iter, memmem};

/// Whether capital and small letters differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Case {
    /// `Lamp` is not `lamp`.
    Sensitive,
    /// `Lamp`, `lamp` and `LAMP` are the same, in every script that has cases.
    #[default]
    Insensitive,
}

/// Lets a product pass when its name contains a text; the empty text lets every product pass.
///
/// Made once and then asked per record: asking allocates nothing.
#[derive(Clone, Debug)]
pub struct NameFilter {
    text: String,
    case: Case,
    search: Search,
}

#[derive(Clone, Debug)]
enum Search {
    Everything,
    Bytes(Box<memmem::Finder<'static>>),
    Folded(Folded),
}

/// A needle with cases folded away. `first` are the two cases of its first byte when the needle is ASCII, the only
/// needle an ASCII name can contain.
#[derive(Clone, Debug)]
struct Folded {
    needle: String,
    first: Option<(u8, u8)>,
}

impl NameFilter {
    /// A filter for names that contain `text`.
    pub fn new(text: impl Into<String>, case: Case) -> Self {
        let text = text.into();
        let search = match case {
            _ if text.is_empty() => Search::Everything,
            Case::Sensitive => Search::Bytes(Box::new(memmem::Finder::new(&text).into_owned())),
            Case::Insensitive => Search::Folded(Folded::new(&text)),
        };
        Self { text, case, search }
    }

    /// The text as it was given.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether cases differ to it.
    pub const fn case(&self) -> Case {
        self.case
    }

    /// Whether a product called `name` passes.
    pub fn passes(&self, name: &str) -> bool {
        match &self.search {
            Search::Everything => true,
            Search::Bytes(finder) => finder.find(name.as_bytes()).is_some(),
            Search::Folded(folded) => folded.is_in(name),
        }
    }
}

impl Default for NameFilter {
    /// Every product passes.
    fn default() -> Self {
        Self::new("", Case::default())
    }
}

impl PartialEq for NameFilter {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.case == other.case
    }
}

impl Eq for NameFilter {}

impl fmt::Display for NameFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Folded {
    fn new(text: &str) -> Self {
        let needle: String = text.chars().flat_map(fold).collect();
        let first = needle.bytes().next().filter(|_| needle.is_ascii());
        Self { needle, first: first.map(|byte| (byte, byte.to_ascii_uppercase())) }
    }

    fn is_in(&self, name: &str) -> bool {
        if name.is_ascii() { self.is_in_ascii(name.as_bytes()) } else { self.is_in_any(name) }
    }

    fn is_in_ascii(&self, name: &[u8]) -> bool {
        let Some((small, capital)) = self.first else { return false };
        let needle = self.needle.as_bytes();
        memchr2_iter(small, capital, name)
            .filter_map(|at| name.get(at..at + needle.len()))
            .any(|part| part.eq_ignore_ascii_case(needle))
    }

    fn is_in_any(&self, name: &str) -> bool {
        let mut rest = name.chars().flat_map(fold);
        loop {
            if starts_with(rest.clone(), &self.needle) {
                return true;
            }
            if rest.next().is_none() {
                return false;
            }
        }
    }
}

fn starts_with(mut text: impl Iterator<Item = char>, needle: &str) -> bool {
    needle.chars().all(|wanted| text.next() == Some(wanted))
}

/// Through the capital and back to small letters, so that what shares a capital is equal: both small sigmas, `ß` and
/// `ss`. Lower case alone keeps those apart.
fn fold(c: char) -> impl Iterator<Item = char> + Clone {
    c.to_uppercase().flat_map(char::to_lowercase)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_pass_by_substring_and_case() {
        use Case::{Insensitive, Sensitive};
        for (text, case, name, passes) in [
            ("", Sensitive, "", true),
            ("", Insensitive, "anything", true),
            ("lamp", Sensitive, "Oak desk lamp", true),
            ("Lamp", Sensitive, "Oak desk lamp", false),
            ("LAMP", Insensitive, "Oak desk lamp", true),
            ("lamps", Insensitive, "Oak desk lamp", false),
            ("oak desk lamp", Insensitive, "OAK DESK LAMP", true),
            ("лампа", Sensitive, "Настольная Лампа", false),
            ("ЛАМПА", Insensitive, "Настольная лампа", true),
            ("лампа", Insensitive, "НАСТОЛЬНАЯ ЛАМПА", true),
            ("ёлка", Insensitive, "ЁЛКА", true),
            ("лампа", Insensitive, "Oak desk lamp", false),
            ("lamp", Insensitive, "Лампа lamp", true),
            ("k", Insensitive, "\u{212a}", true),
            ("straße", Insensitive, "STRASSE", true),
            ("SSE", Insensitive, "straße", true),
            ("σας", Insensitive, "ΣΑΣ", true),
            ("Σ", Insensitive, "ς", true),
        ] {
            assert_eq!(NameFilter::new(text, case).passes(name), passes, "{text:?} {case:?} {name:?}");
        }
    }

    fn folded(text: &str) -> String {
        text.chars().flat_map(fold).collect()
    }

    proptest! {
        #[test]
        fn insensitive_is_containment_of_folded_texts(name in "[a-cA-Cа-вА-ВßΣς ]{0,12}", text in "[a-cA-Cа-вА-ВßΣς ]{0,3}") {
            let passes = NameFilter::new(text.clone(), Case::Insensitive).passes(&name);
            prop_assert_eq!(passes, folded(&name).contains(&folded(&text)));
        }

        #[test]
        fn every_name_passes_its_own_parts_in_any_case(name in "\\PC{1,20}", at in 0usize..20, length in 0usize..20) {
            let part: String = name.chars().skip(at).take(length).collect();
            prop_assert!(NameFilter::new(part.clone(), Case::Sensitive).passes(&name));
            prop_assert!(NameFilter::new(part.clone(), Case::Insensitive).passes(&name));
            prop_assert!(NameFilter::new(part.to_uppercase(), Case::Insensitive).passes(&name));
        }
    }
}
