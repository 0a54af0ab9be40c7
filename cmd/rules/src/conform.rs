//! `rules conform`: runs cases that somebody else wrote, and counts.

mod avro;
mod case;
mod compare;
mod run;
mod tally;
mod wire;

use std::io::{Write, stdout};
use std::panic::AssertUnwindSafe;
use std::path::Path;

use anyhow::{Context as _, anyhow};
use millstream_avro_codec::Registry;
use millstream_json_codec::Document;

pub(crate) use case::Case;
pub(crate) use run::run as run_case;
use tally::Tally;

/// What came of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It came out as expected; where that is a refusal, this is what was said.
    Passed(String),
    Failed(String),
    /// The engine itself says that it can't do what the case asks for.
    Unsupported(String),
}

/// Cases nest expressions deeper than a thread's usual stack is sure to hold.
const STACK_BYTES: usize = 64 << 20;

/// Runs every case of a file, or the one that is named, and prints the count. What fails is no error of the program.
pub(crate) fn conform(
    file: &Path,
    report: Option<&Path>,
    only: Option<&str>,
    is_verbose: bool,
) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
    let cases = cases(&text).with_context(|| format!("{} holds no cases", file.display()))?;
    let chosen: Vec<_> = cases.into_iter().filter(|case| only.is_none_or(|id| case.id == id)).collect();
    if let (Some(id), true) = (only, chosen.is_empty()) {
        return Err(anyhow!("there is no case '{id}' in {}", file.display()));
    }
    let is_shown = only.is_some() || is_verbose;
    let registry = Registry::in_memory()?;
    let worker = std::thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || judged(&chosen, &registry, is_shown));
    let tally = worker?.join().map_err(|_| anyhow!("the cases could not be run to their end"))?;
    write!(stdout(), "{tally}")?;
    if let Some(path) = report {
        std::fs::write(path, tally.report().to_string())
            .with_context(|| format!("can't write {}", path.display()))?;
    }
    Ok(())
}

fn cases(text: &str) -> anyhow::Result<Vec<Case>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let case = |(number, line): (usize, &str)| {
        let document = Document::parse(line.as_bytes()).map_err(|reason| anyhow!(reason));
        document.and_then(|document| Case::of(&document)).with_context(|| format!("line {}", number + 1))
    };
    lines.map(case).collect()
}

fn judged(cases: &[Case], registry: &Registry, is_shown: bool) -> Tally {
    let mut tally = Tally::default();
    // A case that makes the engine panic has failed, and the others still count.
    std::panic::set_hook(Box::new(|_| ()));
    for case in cases {
        let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| run::run(case, registry, is_shown)));
        let verdict = outcome.unwrap_or_else(|panic| {
            let said = panic.downcast_ref::<String>().cloned();
            let said = said.or_else(|| panic.downcast_ref::<&str>().map(|said| (*said).to_owned()));
            Verdict::Failed(format!("the engine panicked: {}", said.unwrap_or_default()))
        });
        tally.add(case, verdict);
    }
    let _ = std::panic::take_hook();
    tally
}
