//! `rules test`: runs the examples that stand beside rule files, in memory.

mod script;
mod yaml;

use std::io::{Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow, bail};
use millstream_avro_codec::Registry;
use millstream_json_codec::Document;
use millstream_rhai_functions::ScriptFunction;

use crate::conform::{Case, Verdict, run_case};
use crate::files;

/// Rules nest expressions deeper than a thread's usual stack is sure to hold.
const STACK_BYTES: usize = 64 << 20;

/// Runs the examples of rule files, says how each came out, and fails if one did not come out as expected.
pub(crate) fn test(files: &[PathBuf], functions: &[ScriptFunction], is_verbose: bool) -> anyhow::Result<()> {
    let (mut cases, mut scripts) = (Vec::new(), Vec::new());
    for file in files {
        scripts.extend(script::tests(file).with_context(|| file.display().to_string())?);
        let beside = file.with_extension("test.yaml");
        if beside.exists() {
            cases.extend(examples(file, &beside).with_context(|| beside.display().to_string())?);
        }
    }
    anyhow::ensure!(
        !cases.is_empty() || !scripts.is_empty(),
        "there are no examples: none of the files has a .test.yaml beside it, or a --@test in it"
    );
    for case in &mut cases {
        case.functions = functions.to_vec();
    }
    for test in &mut scripts {
        test.functions = functions.to_vec();
    }
    let registry = Registry::in_memory()?;
    let worker = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || -> anyhow::Result<_> {
        let (passed, failed) = tried(&cases, &registry, is_verbose)?;
        let (more, worse) = script::tried(&scripts, &registry)?;
        Ok((passed + more, failed + worse))
    });
    let (passed, failed) =
        worker?.join().map_err(|_| anyhow!("the examples could not be run to their end"))??;
    writeln!(stdout(), "{passed} passed, {failed} failed")?;
    anyhow::ensure!(failed == 0, "{failed} of {} examples failed", passed + failed);
    Ok(())
}

fn tried(cases: &[Case], registry: &Registry, is_verbose: bool) -> anyhow::Result<(usize, usize)> {
    let (mut passed, mut failed) = (0, 0);
    for case in cases {
        let outcome = run_case(case, registry, is_verbose);
        match &outcome {
            Verdict::Passed(_) => {
                passed += 1;
                writeln!(stdout(), "ok      {}", case.id)?;
            }
            Verdict::Failed(reason) | Verdict::Unsupported(reason) => {
                failed += 1;
                writeln!(stdout(), "FAILED  {}: {reason}", case.id)?;
            }
        }
    }
    Ok((passed, failed))
}

/// The examples of a rule file: a list, each with a name, what is put in, and what must come out.
fn examples(rules: &Path, beside: &Path) -> anyhow::Result<Vec<Case>> {
    let text = files::read(beside)?;
    let list = yaml::document(&text)?;
    anyhow::ensure!(!list.elements().is_empty(), "it is no list of examples");
    list.elements().iter().map(|example| case(rules, example)).collect()
}

fn case(rules: &Path, example: &Document) -> anyhow::Result<Case> {
    const KNOWN: [&str; 6] = ["name", "files", "topics", "inputs", "outputs", "sources"];
    if let Some((unknown, _)) = example.entries().iter().find(|(name, _)| !KNOWN.contains(&name.as_str())) {
        bail!("an example has no '{unknown}'; it has {}", KNOWN.join(", "));
    }
    let name = example.get("name").and_then(Document::as_text).context("an example has no name")?;
    let folder = rules.parent().unwrap_or(Path::new("."));
    let before = example.get("files").map_or(&[][..], Document::elements);
    let before = before.iter().filter_map(Document::as_text).map(|file| folder.join(file));
    let read = |file: PathBuf| files::read(&file);
    let statements = before.chain([rules.to_path_buf()]).map(read).collect::<anyhow::Result<Vec<_>>>()?;
    let id = format!("{}: {name}", rules.display());
    Case::example(id, statements, example).with_context(|| format!("example '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../rules")
    }

    #[test]
    fn every_rule_that_is_shipped_does_what_its_example_says() {
        let entries = std::fs::read_dir(shipped()).unwrap().map(|entry| entry.unwrap().path());
        let rules: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "sql")).collect();
        for rule in &rules {
            assert!(rule.with_extension("test.yaml").exists(), "{} has no example", rule.display());
        }
        test(&rules, &[], false).unwrap();
        let with_functions = shipped().join("functions");
        let functions = crate::scripts::functions(Some(&with_functions)).unwrap();
        test(&[with_functions.join("mistyped_cards.sql")], &functions, false).unwrap();
    }

    #[test]
    fn an_example_that_is_not_met_is_told() {
        let rule = shipped().join("high_value.sql");
        let example = |of: &str| case(&rule, &yaml::document(of).unwrap());
        assert!(example("{name: x, input: []}").unwrap_err().to_string().contains("no 'input'"));
        let unmet =
            example("{name: x, outputs: [{topic: high_value_transactions, key: k, value: null}]}").unwrap();
        let verdict = run_case(&unmet, &Registry::in_memory().unwrap(), false);
        assert!(
            matches!(&verdict, Verdict::Failed(why) if why.contains("0 records came where 1 are expected")),
            "{verdict:?}"
        );
    }
}
