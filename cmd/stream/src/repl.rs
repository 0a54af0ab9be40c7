use std::time::Instant;

use crate::lines::{Next, Source};
use crate::rates::Rates;
use crate::typed::Typed;
use crate::wiring::Stream;
use crate::{say, show};

const HELP: &str = "\
a text         pass on only products whose name contains it
an empty line  pass on all products
:status        filter, partitions, lag, rates of the last ten seconds, table size
:get KEY       what the group table holds of a product
:help          this list
:quit          drain, commit and end, as Ctrl-D and Ctrl-C do";

/// Takes lines until the user or the processor ends.
pub(crate) fn run(stream: &Stream, source: Source) {
    let status = stream.running.status();
    let mut rates = Rates::new(&status.snapshot(), Instant::now());
    let lines = source.read();
    while !stream.running.is_finished() && !stream.running.stopper().is_set() {
        rates.note(&status.snapshot(), Instant::now());
        match lines.next() {
            Next::Line(line, _answered) => {
                if !answer(stream, &line, &rates) {
                    break;
                }
            }
            Next::Nothing => {}
            Next::End => break,
        }
    }
}

/// Answers one line; `false` ends the session.
fn answer(stream: &Stream, line: &str, rates: &Rates) -> bool {
    match Typed::from(line) {
        Typed::Quit => return false,
        Typed::Help => say(HELP),
        Typed::Status => say(&status(stream, rates)),
        Typed::Get(key) => say(&product(stream, key)),
        Typed::Unknown(":get") => say("which product? :get KEY"),
        Typed::Unknown(command) => say(&format!("there is no command {command}; :help lists them")),
        Typed::Filter(text) => match stream.set_filter(text) {
            Ok(()) => say(&show::filter(text)),
            Err(error) => say(&format!("the filter could not be set: {error:#}")),
        },
    }
    true
}

fn status(stream: &Stream, rates: &Rates) -> String {
    let now = stream.running.status().snapshot();
    let table = stream.running.table().count();
    let table = table.map_or_else(|error| error.to_string(), |count| format!("{count} keys"));
    match stream.filter() {
        Ok(filter) => show::status(&filter, &now, rates.per_second(&now, Instant::now()), &table),
        Err(error) => format!("the filter can't be read: {error}"),
    }
}

fn product(stream: &Stream, key: &str) -> String {
    match stream.state(key, |state| show::product(key, &state)) {
        Ok(Some(text)) => text,
        Ok(None) => format!("{key} is not in the partitions that this instance owns"),
        Err(error) => format!("{key} can't be read: {error:#}"),
    }
}
