use std::io::{self, IsTerminal, Write};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// How much is logged unless the environment's `RUST_LOG` says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verbosity {
    /// Warnings and errors: beside a prompt.
    Quiet,
    /// What happens.
    Normal,
    /// What happens inside the framework.
    Verbose,
}

impl Verbosity {
    fn directive(self) -> &'static str {
        match self {
            Self::Quiet => "warn",
            Self::Normal => "info",
            Self::Verbose => "info,millstream=debug",
        }
    }
}

/// Logs to standard error, in colour only on a terminal. A second call in one process changes nothing.
pub fn init_logs(verbosity: Verbosity) {
    init_logs_to(verbosity, io::stderr().is_terminal(), io::stderr);
}

/// Logs to lines that `write` takes, such as a prompt's own printer. A second call in one process changes nothing.
pub fn init_logs_to<W>(verbosity: Verbosity, colour: bool, write: W)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(verbosity.directive()));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colour).with_writer(write);
    // It fails where a test or the user's own program has set one already, which is then right.
    let _ = subscriber.try_init();
}

/// A writer that hands each piece it is given to a function: what a log line is made of comes as one piece.
pub struct Lines<F>(pub F);

impl<F: FnMut(&str)> Write for Lines<F> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (self.0)(&String::from_utf8_lossy(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
