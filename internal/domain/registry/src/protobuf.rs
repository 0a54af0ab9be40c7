/// The tokens of a `.proto` file with one space between: what is the same but for white space and comments reads the same.
///
/// # Errors
/// When the text can't be a `.proto` file: it is empty, begins with no statement of that language, a text or a comment is
/// not closed, or brackets don't match. No more than that is checked; the text may still be none.
pub(crate) fn tokens(text: &str) -> Result<String, String> {
    let all = split(text)?;
    let first = all.first().ok_or("it is empty")?.as_str();
    let begins = ["syntax", "edition", "package", "import", "option", "message", "enum", "service", "extend"];
    if !begins.contains(&first) {
        return Err(format!("a .proto file does not begin with '{first}'"));
    }
    brackets(&all)?;
    Ok(all.join(" "))
}

fn split(text: &str) -> Result<Vec<String>, String> {
    let (mut tokens, mut rest) = (Vec::new(), text.trim_start());
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => {
                rest = rest.split_once('\n').map_or("", |(_, after)| after).trim_start();
                continue;
            }
            '/' if rest.starts_with("/*") => {
                rest = rest.split_once("*/").ok_or("a comment is not closed")?.1.trim_start();
                continue;
            }
            '"' | '\'' => quoted(rest, first)?,
            c if is_wordy(c) => rest.find(|c: char| !is_wordy(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        tokens.push(token.to_owned());
        rest = after.trim_start();
    }
    Ok(tokens)
}

fn is_wordy(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

/// The length of a text in quotes, with them.
fn quoted(text: &str, quote: char) -> Result<usize, String> {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' => break,
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            c if c == quote => return Ok(at + c.len_utf8()),
            _ => {}
        }
    }
    Err("a text is not closed".to_owned())
}

fn brackets(tokens: &[String]) -> Result<(), String> {
    let mut open = Vec::new();
    for token in tokens {
        match token.as_str() {
            "{" => open.push("}"),
            "(" => open.push(")"),
            "[" => open.push("]"),
            closing @ ("}" | ")" | "]") if open.pop() != Some(closing) => {
                return Err(format!("'{closing}' closes nothing"));
            }
            _ => {}
        }
    }
    open.pop().map_or(Ok(()), |missing| Err(format!("'{missing}' is missing")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_and_comments_make_no_difference() {
        let plain = "syntax = \"proto3\";\nmessage A { string name = 1; }";
        let spread = "/* a */ syntax=\"proto3\" ; // b\n\nmessage A{\n  string name=1;\n}\n";
        assert_eq!(tokens(plain), tokens(spread));
        assert_ne!(tokens(plain), tokens("syntax = \"proto3\"; message A { string name = 2; }"));
        assert_ne!(tokens("option a = \"x  y\";"), tokens("option a = \"x y\";"));
    }

    #[test]
    fn what_can_be_no_proto_file_is_refused() {
        for (text, why) in [
            ("", "it is empty"),
            ("// nothing", "it is empty"),
            ("{\"type\": \"string\"}", "does not begin with '{'"),
            ("message A {", "'}' is missing"),
            ("message A { ) }", "')' closes nothing"),
            ("import \"a", "a text is not closed"),
            ("/* message", "a comment is not closed"),
        ] {
            let said = tokens(text).unwrap_err();
            assert!(said.contains(why), "{text}: {said}");
        }
    }
}
