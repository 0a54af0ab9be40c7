use millstream_ports::PortError;
use millstream_sql::Diagnostic;
use thiserror::Error;

/// Why a statement was not carried out.
#[derive(Debug, Error)]
pub enum Fault {
    /// It has mistakes.
    #[error("{}", told(mistakes))]
    Mistakes {
        /// The statement.
        text: String,
        /// All of them.
        mistakes: Vec<Diagnostic>,
    },
    /// It can't be done as things are.
    #[error("{0}")]
    Statement(String),
    /// What was asserted is not so.
    #[error("{0}")]
    Assertion(String),
    /// The log, the registry or the storage refused.
    #[error(transparent)]
    Port(#[from] PortError),
}

impl Fault {
    pub(crate) fn mistakes(text: &str, mistakes: Vec<Diagnostic>) -> Self {
        Self::Mistakes { text: text.to_owned(), mistakes }
    }

    pub(crate) fn statement(said: impl Into<String>) -> Self {
        Self::Statement(said.into())
    }

    pub(crate) fn no_query<'q>(id: &str, known: impl Iterator<Item = &'q String>) -> Self {
        let known: Vec<_> = known.map(String::as_str).collect();
        let help = if known.is_empty() {
            "there are none".to_owned()
        } else {
            format!("there are {}", known.join(", "))
        };
        Self::Statement(format!("there is no query {id}; {help}"))
    }

    /// Whether whoever asked is at fault, and not what was asked.
    pub fn is_askers(&self) -> bool {
        !matches!(self, Self::Port(_))
    }
}

fn told(mistakes: &[Diagnostic]) -> String {
    let one = |mistake: &Diagnostic| {
        let place = if mistake.span.line > 0 {
            format!("line {}:{}: ", mistake.span.line, mistake.span.column)
        } else {
            String::new()
        };
        let help = mistake.help.as_ref().map_or_else(String::new, |help| format!("; {help}"));
        format!("{place}{}{help}", mistake.message)
    };
    mistakes.iter().map(one).collect::<Vec<_>>().join("\n")
}
