mod programs;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::Context as _;

use crate::settings::Demo;
use crate::{Stack, say};
use programs::Programs;

/// How often it looks whether the programs still run.
const LOOK: Duration = Duration::from_millis(200);

/// The products of every demo are the same, and the search below finds some of them.
const SEED: &str = "7";

/// The whole platform once through, then up until a signal comes.
pub(crate) fn run(demo: &Demo, stack: &Stack, stopped: &Receiver<()>) -> anyhow::Result<()> {
    let begun = Instant::now();
    let mut programs = Programs::new(&demo.up.data, stack)?;
    let played = play(demo, &mut programs);
    if played.is_ok() {
        say(&format!("\nready after {:.1} s", begun.elapsed().as_secs_f64()));
        invite(stack, &programs);
    }
    let attended = played.and_then(|()| attend(&mut programs, stopped));
    say("stopping");
    programs.stop();
    attended
}

fn play(demo: &Demo, programs: &mut Programs) -> anyhow::Result<()> {
    programs.run("stream", &["topics", "create"])?;
    programs.start("stream", &["--no-repl", "--http", "127.0.0.1:0"])?;
    let rules = demo.rules.display().to_string();
    programs.start("rules", &["run", &rules, "--http", "127.0.0.1:0"])?;
    programs.wait_for("rules", " running")?;
    let emitted = Emitted::of(&demo.up.data);
    if emitted.is_done() {
        say("the products of the last demo are still there");
    } else {
        programs.show("shop", &["--count", &demo.count.to_string(), "--seed", SEED])?;
        emitted.done()?;
    }
    say(&format!("\nsearching for '{}':", demo.search));
    programs.show("client", &["--user", "demo", "--once", &demo.search, "--wait", "60"])
}

fn invite(stack: &Stack, programs: &Programs) {
    say(&format!(
        "Kafka's protocol is on {}, the schema registry on {}.",
        stack.brokers(),
        stack.registry_url()
    ));
    say("In another terminal:");
    for (name, value) in programs.environment() {
        say(&format!("  export {name}={value}"));
    }
    say(&format!(
        "  {}   types a product's full name, and shows what comes back",
        programs.path("client").display()
    ));
    say(&format!("  {} --count 500", programs.path("shop").display()));
    say(&format!(
        "The programs' logs are in {}. Ctrl-C stops all of it; the data stays.",
        programs.logs().display()
    ));
}

/// Until a signal comes, or a program that should run ends.
fn attend(programs: &mut Programs, stopped: &Receiver<()>) -> anyhow::Result<()> {
    while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(LOOK) {
        programs.all_run()?;
    }
    Ok(())
}

/// Whether the products were all emitted, in this start or an earlier one on the same data.
struct Emitted(PathBuf);

impl Emitted {
    fn of(data: &Path) -> Self {
        Self(data.join("demo-emitted"))
    }

    fn is_done(&self) -> bool {
        self.0.exists()
    }

    fn done(&self) -> anyhow::Result<()> {
        fs::write(&self.0, "").with_context(|| format!("can't write {}", self.0.display()))
    }
}
