use std::fmt::Write;

/// A place in a rule's text: line and column from 1, and how many characters it spans.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    /// The line.
    pub line: usize,
    /// The column of its first character.
    pub column: usize,
    /// Its length in characters, at least 1 where something is marked.
    pub length: usize,
}

/// One mistake in a rule: where, what, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Where.
    pub span: Span,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: Option<String>,
    /// It makes sense, and only can't be run here.
    pub is_unsupported: bool,
}

impl Diagnostic {
    /// A mistake at a place.
    pub fn new(span: Span, message: impl Into<String>) -> Self {
        Self { span, message: message.into(), help: None, is_unsupported: false }
    }

    /// Something at a place that makes sense, and can't be run here.
    pub fn unsupported(span: Span, message: impl Into<String>) -> Self {
        Self { is_unsupported: true, ..Self::new(span, message) }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Draws mistakes as text: the file, line and column, the line itself, a caret under the place, and the reason.
pub fn render(source: &str, text: &str, mistakes: &[Diagnostic]) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::new();
    for mistake in mistakes {
        let Span { line, column, length } = mistake.span;
        let number = line.to_string();
        let margin = " ".repeat(number.len());
        let shown = line.checked_sub(1).and_then(|index| lines.get(index)).copied().unwrap_or_default();
        let carets = "^".repeat(length.max(1));
        let indent: String = shown
            .chars()
            .take(column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        // Writing to a String does not fail.
        let _ = writeln!(out, "error: {}", mistake.message);
        let _ = writeln!(out, "{margin}--> {source}:{line}:{column}");
        let _ = writeln!(out, "{margin} |");
        let _ = writeln!(out, "{number} | {shown}");
        let _ = writeln!(out, "{margin} | {indent}{carets}");
        if let Some(help) = &mistake.help {
            let _ = writeln!(out, "{margin} = help: {help}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caret_stands_under_the_place() {
        let mistake = Diagnostic::new(Span { line: 2, column: 8, length: 3 }, "no column NAM")
            .help("did you mean NAME?");
        let drawn = render("a.sql", "SELECT\n  id,  NAM\nFROM x", &[mistake]);
        assert_eq!(
            drawn,
            "error: no column NAM\n --> a.sql:2:8\n  |\n2 |   id,  NAM\n  |        ^^^\n  = help: did you mean NAME?\n"
        );
    }
}
