/// What the comments at the head of a script say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    /// What it does.
    pub(crate) about: String,
    /// What it takes and gives.
    pub(crate) signature: Option<String>,
}

impl Header {
    /// Reads the comments before anything else; the line with an arrow is the signature.
    pub(crate) fn of(text: &str) -> Self {
        let comments = text.lines().map_while(|line| line.trim().strip_prefix("//")).map(str::trim);
        let (signatures, about): (Vec<_>, Vec<_>) = comments.partition(|line| line.contains("->"));
        Self {
            about: about.join(" ").trim().to_owned(),
            signature: signatures.first().map(|signature| (*signature).to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_with_an_arrow_is_the_signature() {
        let header =
            Header::of("// What it does,\n// in two lines.\n// a INT -> INT\nfn f(a) { a } // b -> c\n");
        assert_eq!(header.about, "What it does, in two lines.");
        assert_eq!(header.signature.as_deref(), Some("a INT -> INT"));
        assert_eq!(Header::of("fn f(a) { a }\n// a INT -> INT").signature, None);
    }
}
