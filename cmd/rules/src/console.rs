//! `rules` by itself: a console for statements, over the API of a server.

mod client;
mod complete;
mod face;
mod local;
mod table;
mod told;

use std::collections::BTreeMap;
use std::io::{IsTerminal, Read, stdin};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use millstream_sql::{Catalog, Command, command, pieces, substitute};
use rustyline::Editor;
use rustyline::error::ReadlineError;
use rustyline::history::DefaultHistory;
use serde_json::Value;
use serde_json::value::RawValue;

pub(crate) use client::Access;
use client::{Client, Own};
use complete::Typing;
use face::Face;
use local::Local;

/// How deep scripts may run scripts.
const SCRIPTS_MAX: usize = 10;

/// Lines that the history keeps.
const HISTORY_MAX: usize = 1000;

/// How the console was asked for.
pub(crate) struct Asked {
    pub(crate) url: String,
    pub(crate) access: Access,
    pub(crate) is_json: bool,
    /// Statements to carry out, and end.
    pub(crate) execute: Option<String>,
    /// A file of statements to carry out, and end.
    pub(crate) file: Option<PathBuf>,
}

/// Whether a server answers there.
pub(crate) fn answers(url: &str, access: &Access) -> bool {
    Client::new(url, access.clone()).and_then(|client| client.info()).is_ok()
}

/// The query whose rows are being shown, if any: what Ctrl-C ends.
type Followed = Arc<Mutex<Option<(Client, Option<String>)>>>;

struct Console {
    client: Client,
    access: Access,
    own: Own,
    face: Face,
    followed: Followed,
}

/// Carries out what is typed, or what the standard input, a file or an argument holds, until it ends.
///
/// # Errors
/// When the server can't be reached; and in what is not typed, at the first statement that fails.
pub(crate) fn run(asked: Asked) -> anyhow::Result<()> {
    let client = Client::new(&asked.url, asked.access.clone())?;
    let info = client.info()?;
    let followed = Followed::default();
    let interrupted = followed.clone();
    ctrlc::set_handler(move || interrupt(&interrupted))?;
    let face = Face::new(asked.is_json);
    let mut console = Console { client, access: asked.access, own: Own::default(), face, followed };
    if let Some(text) = asked.execute {
        return console.all(&text, 0);
    }
    if let Some(file) = asked.file {
        return console.script(&file, 0);
    }
    if !stdin().is_terminal() {
        let mut text = String::new();
        stdin().read_to_string(&mut text)?;
        return console.all(&text, 0);
    }
    let service = info.pointer("/KsqlServerInfo/ksqlServiceId").map(table::text).unwrap_or_default();
    console.face.line(&format!(
        "rules {} on {} (service {service}); help tells what can be typed",
        env!("CARGO_PKG_VERSION"),
        console.client.url()
    ))?;
    console.typed()
}

/// Ends the query whose rows are being shown; where there is none, the program.
fn interrupt(followed: &Followed) {
    let found = followed.lock().unwrap_or_else(PoisonError::into_inner).clone();
    match found {
        Some((client, Some(id))) => client.close(&id),
        Some((_, None)) => {}
        None => std::process::exit(130),
    }
}

impl Console {
    fn typed(&mut self) -> anyhow::Result<()> {
        let config = rustyline::Config::builder().max_history_size(HISTORY_MAX)?.build();
        let mut editor: Editor<Typing, DefaultHistory> = Editor::with_config(config)?;
        editor.set_helper(Some(Typing::new(self.client.clone())));
        let history = history_file();
        if let Some(path) = &history {
            // There is none before the first session.
            let _ = editor.load_history(path);
        }
        loop {
            let typed = match editor.readline("rules> ") {
                Ok(typed) => typed,
                // What was typed so far is dropped.
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(error.into()),
            };
            if typed.trim().is_empty() {
                continue;
            }
            editor.add_history_entry(typed.as_str())?;
            match Local::of(&typed) {
                Some(Local::Exit) => break,
                Some(Local::History) => {
                    for entry in editor.history().iter() {
                        self.face.line(entry)?;
                    }
                }
                Some(local) => {
                    if let Err(error) = self.local(local) {
                        self.face.line(&format!("error: {error:#}"))?;
                    }
                    editor.set_helper(Some(Typing::new(self.client.clone())));
                }
                None => {
                    // What fails is told, and the next one may fare better.
                    let _ = self.all(&typed, 0);
                    if let Some(typing) = editor.helper() {
                        typing.forget();
                    }
                }
            }
        }
        if let Some(path) = &history {
            let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
            if let Err(error) = folder.map_err(ReadlineError::from).and_then(|()| editor.save_history(path)) {
                tracing::warn!(%error, "the history could not be kept");
            }
        }
        Ok(())
    }

    fn local(&mut self, local: Local) -> anyhow::Result<()> {
        match local {
            Local::Exit | Local::History => Ok(()),
            Local::Help => self.face.line(local::HELP),
            Local::Clear => self.face.raw("\u{1b}[2J\u{1b}[H"),
            Local::Version => self.face.line(&format!("rules {}", env!("CARGO_PKG_VERSION"))),
            Local::Output(how) => self.face.output(how.as_deref()),
            Local::Spool(file) => self.face.spool(file.as_deref()),
            Local::Server(None) => self.face.line(self.client.url()),
            Local::Server(Some(url)) => {
                let other = Client::new(&url, self.access.clone())?;
                other.info()?;
                self.client = other;
                self.face.line(&format!("asking {}", self.client.url()))
            }
        }
    }

    /// Carries out all statements of a text. The first that fails is told and ends it.
    fn all(&mut self, text: &str, depth: usize) -> anyhow::Result<()> {
        for piece in pieces(text) {
            let outcome = match Local::of(&piece.text) {
                Some(local) => self.local(local),
                None => self.one(&piece.text, depth),
            };
            if let Err(error) = outcome {
                // What a script has told is not told again by the one that runs it.
                if !error.is::<Told>() {
                    self.face.line(told::failure(&crate::causes(&error), &piece.text).trim_end())?;
                }
                return Err(Told.into());
            }
        }
        Ok(())
    }

    fn one(&mut self, text: &str, depth: usize) -> anyhow::Result<()> {
        // Types and sources are the server's; what can't be read without them it reads.
        let asked = substitute(text, &self.own.variables).ok();
        match asked.and_then(|asked| command(&asked, &Catalog::new()).ok()) {
            Some(Command::Set(name, value)) => {
                // The server knows which there are.
                self.client.statement(text, &self.own)?;
                put(&mut self.own.properties, &name, value.as_deref());
                self.face.line(&format!(
                    "{name} is {}",
                    value.map_or_else(|| "not set".to_owned(), |value| format!("'{value}'"))
                ))
            }
            Some(Command::Define(name, value)) => {
                put(&mut self.own.variables, &name, value.as_deref());
                Ok(())
            }
            Some(Command::RunScript(file)) => self.script(Path::new(&file), depth + 1),
            Some(Command::Select | Command::Print(_)) => self.query(text),
            _ => {
                for entity in self.client.statement(text, &self.own)? {
                    self.face.entity(&entity)?;
                }
                Ok(())
            }
        }
    }

    fn script(&mut self, file: &Path, depth: usize) -> anyhow::Result<()> {
        anyhow::ensure!(depth <= SCRIPTS_MAX, "scripts run scripts more than {SCRIPTS_MAX} deep");
        let text = crate::files::read(file)?;
        self.all(&text, depth)
    }

    /// Shows rows as they come.
    fn query(&mut self, text: &str) -> anyhow::Result<()> {
        let _end = Following::begin(&self.followed, &self.client);
        let lines = self.client.query(text, &self.own)?;
        *self.followed.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((self.client.clone(), lines.id.clone()));
        let mut rows = self.face.rows();
        for line in lines {
            let line = line?;
            if rows.has_head()
                && let Ok(values) = serde_json::from_str::<Vec<&RawValue>>(&line)
            {
                rows.row(&mut self.face, &values)?;
                continue;
            }
            match serde_json::from_str(&line).ok() {
                Some(Value::Object(head)) if head.contains_key("queryId") => {
                    rows.head(&mut self.face, &Value::Object(head))?;
                }
                Some(Value::Object(error)) if error.contains_key("error_code") => {
                    anyhow::bail!("{}", error.get("message").map(table::text).unwrap_or_default());
                }
                _ => self.face.line(line.trim_end_matches('\n'))?,
            }
        }
        rows.end(&mut self.face)
    }
}

/// While it lives, Ctrl-C ends the query and not the console.
struct Following(Followed);

impl Following {
    fn begin(followed: &Followed, client: &Client) -> Self {
        *followed.lock().unwrap_or_else(PoisonError::into_inner) = Some((client.clone(), None));
        Self(followed.clone())
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A failure that whoever asked has read already.
#[derive(Debug, thiserror::Error)]
#[error("a statement failed")]
pub(crate) struct Told;

fn put(map: &mut BTreeMap<String, String>, name: &str, value: Option<&str>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value.to_owned())),
        None => drop(map.remove(name)),
    }
}

fn history_file() -> Option<PathBuf> {
    Some(crate::settings::state_base()?.join("millstream/rules-history"))
}
