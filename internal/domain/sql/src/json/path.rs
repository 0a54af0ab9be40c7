use super::Json;

/// A way into a document, such as `$.log.cloud[0]["the name"]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JsonPath(Vec<String>);

impl JsonPath {
    /// Reads a path; none where it is not one.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let mut rest = text.strip_prefix('$')?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, behind) = if let Some(named) = rest.strip_prefix('.') {
                word(named, |c| c.is_alphanumeric() || "_:@".contains(c))?
            } else {
                let inside = rest.strip_prefix('[')?;
                let (step, behind) = match inside.strip_prefix('"') {
                    Some(quoted) => quoted_step(quoted)?,
                    None => word(inside, |c| c.is_alphanumeric() || c == '_')?,
                };
                (step, behind.strip_prefix(']')?)
            };
            steps.push(step);
            rest = behind;
        }
        Some(Self(steps))
    }

    /// What it leads to; none where there is nothing.
    pub(crate) fn find<'j>(&self, document: &'j Json) -> Option<&'j Json> {
        self.0.iter().try_fold(document, |at, step| match at {
            Json::Array(elements) => elements.get(step.parse::<usize>().ok()?),
            at => at.member(step),
        })
    }
}

fn word(text: &str, is_part: impl Fn(char) -> bool) -> Option<(String, &str)> {
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let (word, behind) = text.split_at_checked(end)?;
    (!word.is_empty()).then(|| (word.to_owned(), behind))
}

fn quoted_step(text: &str) -> Option<(String, &str)> {
    let mut step = String::new();
    let mut rest = text.chars();
    loop {
        match rest.next()? {
            '"' => return Some((step, rest.as_str())),
            '\\' => step.push(rest.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => step.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_into_documents() {
        let document = Json::read(r#"{"a":{"b c":[10,{"@x":"y"}]},"7":1}"#).unwrap();
        for (path, expected) in [
            ("$", Some(document.to_string())),
            (r#"$.a["b c"][0]"#, Some("10".to_owned())),
            (r#"$.a["b c"][1].@x"#, Some("\"y\"".to_owned())),
            ("$[7]", Some("1".to_owned())),
            (r#"$.a["b c"][5]"#, None),
            (r#"$.a["b c"].x"#, None),
            ("$.a.b", None),
        ] {
            let found = JsonPath::read(path).unwrap().find(&document).map(ToString::to_string);
            assert_eq!(found, expected, "{path}");
        }
        for wrong in ["", "a", "$a", "$.", "$[", "$[\"a]", "$.a b", "$[1"] {
            assert_eq!(JsonPath::read(wrong), None, "{wrong}");
        }
    }
}
