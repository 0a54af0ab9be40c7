use std::mem;

/// A picture of a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Where it is; the same url is the same image.
    pub url: String,
    /// What it shows, in words.
    pub alt: String,
}

/// The images known of a product, and how many it is declared to have.
///
/// **Invariant:** each url is there once, in the order the urls were first seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSet {
    declared: u32,
    images: Vec<Image>,
}

impl ImageSet {
    /// The set a message brings: of an url that comes twice, the last description is kept.
    pub fn new(declared: u32, images: Vec<Image>) -> Self {
        let mut set = Self { declared, images: Vec::with_capacity(images.len()) };
        set.put_all(images);
        set
    }

    /// How many images the product is said to have.
    pub const fn declared(&self) -> u32 {
        self.declared
    }

    /// The images known so far.
    pub fn images(&self) -> &[Image] {
        &self.images
    }

    /// How many images are still to come.
    pub fn missing(&self) -> u32 {
        self.declared.saturating_sub(u32::try_from(self.images.len()).unwrap_or(u32::MAX))
    }

    /// Whether every declared image is known. More than declared is complete as well.
    pub fn is_complete(&self) -> bool {
        self.missing() == 0
    }

    /// Takes in a set announced later: its count and its descriptions win.
    pub fn merge_newer(&mut self, newer: Self) {
        self.declared = newer.declared;
        self.put_all(newer.images);
    }

    /// Takes in a set announced earlier that arrived late: only urls not known yet are added.
    pub fn merge_older(&mut self, older: Self) {
        for image in older.images {
            if self.position(&image.url).is_none() {
                self.images.push(image);
            }
        }
    }

    fn put_all(&mut self, images: Vec<Image>) {
        for image in images {
            match self.position(&image.url).and_then(|at| self.images.get_mut(at)) {
                Some(known) => drop(mem::replace(known, image)),
                None => self.images.push(image),
            }
        }
    }

    /// A product has a handful of images, so looking through them beats an index.
    fn position(&self, url: &str) -> Option<usize> {
        self.images.iter().position(|known| known.url == url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(declared: u32, images: &[(&str, &str)]) -> ImageSet {
        let image = |&(url, alt): &(&str, &str)| Image { url: url.into(), alt: alt.into() };
        ImageSet::new(declared, images.iter().map(image).collect())
    }

    #[test]
    fn a_set_is_complete_when_every_declared_image_is_known() {
        for (declared, urls, missing) in [
            (0, vec![], 0),
            (1, vec![], 1),
            (2, vec!["a"], 1),
            (2, vec!["a", "a"], 1),
            (1, vec!["a", "b"], 0),
        ] {
            let images: Vec<_> = urls.iter().map(|url| (*url, "")).collect();
            let set = set(declared, &images);
            assert_eq!((set.missing(), set.is_complete()), (missing, missing == 0), "{declared} {urls:?}");
        }
    }

    #[test]
    fn a_newer_set_brings_its_count_and_descriptions() {
        let mut known = set(2, &[("a", "old"), ("b", "old")]);
        known.merge_newer(set(3, &[("c", "new"), ("a", "new")]));
        assert_eq!(known, set(3, &[("a", "new"), ("b", "old"), ("c", "new")]));
    }

    #[test]
    fn an_older_set_only_fills_gaps() {
        let mut known = set(2, &[("a", "new")]);
        known.merge_older(set(9, &[("a", "old"), ("b", "old")]));
        assert_eq!(known, set(2, &[("a", "new"), ("b", "old")]));
    }
}
