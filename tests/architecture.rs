//! The rules that hold the house together, checked on the source tree: arrows between crates, and the size of files.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// For each crate inside, the crates inside that it may name. `internal/README.md` draws this table.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("ports", &["model"]),
    ("topology", &["model", "ports"]),
    ("shop", &["model"]),
    ("cluster", &[]),
    ("sql", &["model", "topology", "ports"]),
    ("registry-rules", &[]),
    ("runtime", &["model", "ports", "topology"]),
    ("rule-engine", &["model", "ports", "topology", "sql", "runtime"]),
    ("replication", &["model", "ports", "runtime"]),
    ("storefront", &["model", "ports", "topology", "shop", "runtime"]),
];

/// An adapter sees the domain, and no other adapter.
const DOMAIN: &[&str] = &["model", "ports", "topology", "shop", "sql", "registry-rules", "cluster"];

/// The adapters that call in: they let people and programs ask what the rules are.
const CALLERS: &[(&str, &[&str])] = &[
    ("http-api", &["model", "ports", "topology", "runtime"]),
    ("rules-api", &["model", "ports", "sql", "rule-engine"]),
];

/// The adapters that tests of a crate inside may name beside the world in memory, and why.
const TESTS: &[(&str, &str)] = &[
    // Its wire structs are what the schemas beside them say, which only a codec can show.
    ("storefront", "avro-codec"),
    // What it promises is put to the embedded broker too.
    ("kafka-log", "broker"),
    // This repository's own client is one of those that it must serve, on the Kafka it keeps its journal in.
    ("registry", "avro-codec"),
    ("registry", "kafka-log"),
];

/// The world in memory calls in: it steps processors for their tests.
const SIM: &[&str] = &["model", "ports", "topology", "runtime"];

struct Crate {
    name: String,
    folder: PathBuf,
    uses: Vec<String>,
    tests_use: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn crates() -> Vec<Crate> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    packages.iter().map(read_crate).collect()
}

fn read_crate(package: &Value) -> Crate {
    let manifest = Path::new(package["manifest_path"].as_str().unwrap());
    let of_kind = |kind: Option<&str>| {
        let dependencies = package["dependencies"].as_array().unwrap().iter();
        dependencies
            .filter(|dependency| dependency["kind"].as_str() == kind)
            .filter_map(|dependency| {
                Some(dependency["name"].as_str()?.strip_prefix("millstream-")?.to_owned())
            })
            .collect()
    };
    let (uses, tests_use) = (of_kind(None), of_kind(Some("dev")));
    let folder = manifest.parent().unwrap().strip_prefix(root()).unwrap().to_path_buf();
    let name = package["name"].as_str().unwrap().trim_start_matches("millstream-").to_owned();
    Crate { name, folder, uses, tests_use }
}

#[test]
fn crates_follow_the_arrows() {
    let allowed: BTreeMap<_, _> = ARROWS.iter().copied().collect();
    let mut wrong = Vec::new();
    let all = crates();
    assert!(all.len() > 15, "only {} crates were found", all.len());
    for each in &all {
        let may = if each.name == "sim" {
            SIM
        } else if let Some((_, may)) = CALLERS.iter().find(|(name, _)| *name == each.name) {
            may
        } else if each.folder.starts_with("internal/infra") {
            DOMAIN
        } else if each.folder.starts_with("internal") {
            allowed
                .get(each.name.as_str())
                .copied()
                .unwrap_or_else(|| panic!("crate {} has no arrows", each.name))
        } else {
            continue;
        };
        let against = each.uses.iter().filter(|used| !may.contains(&used.as_str()));
        wrong.extend(against.map(|used| format!("{} may not depend on {used}", each.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn tests_inside_run_on_the_world_in_memory_and_name_no_adapter_but_those_listed() {
    let all = crates();
    let is_adapter =
        |name: &str| all.iter().any(|each| each.name == name && each.folder.starts_with("internal/infra"));
    for each in all.iter().filter(|each| each.folder.starts_with("internal")) {
        for used in each.tests_use.iter().filter(|used| is_adapter(used)) {
            let may = used == "sim" || TESTS.contains(&(each.name.as_str(), used.as_str()));
            assert!(may, "the tests of {} may not depend on {used}", each.name);
        }
    }
}

#[test]
fn nothing_depends_on_a_program_or_on_the_facade() {
    for each in crates() {
        for used in &each.uses {
            assert!(!used.starts_with("cmd-") && used != "millstream", "{} depends on {used}", each.name);
        }
    }
}

#[test]
fn the_domain_names_no_technology_and_reads_no_clock() {
    let banned = [
        "rdkafka",
        "sled::",
        "apache_avro",
        "axum",
        "tokio",
        "std::fs",
        "std::net",
        "SystemTime::now",
        "Instant::now",
        "async fn",
    ];
    for file in sources("internal/domain") {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        for line in code {
            for word in banned {
                assert!(!line.contains(word), "{} names {word}: {line}", file.display());
            }
        }
    }
}

#[test]
fn files_stay_small_and_say_where_they_are() {
    for file in sources("internal").into_iter().chain(sources("cmd")).chain(sources("src")) {
        let lines = fs::read_to_string(&file).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines; 500 is the most", file.display());
        let name = file.file_name().unwrap().to_str().unwrap();
        let vague = [
            "mod.rs",
            "utils.rs",
            "util.rs",
            "common.rs",
            "helpers.rs",
            "helper.rs",
            "types.rs",
            "prelude.rs",
            "manager.rs",
        ];
        assert!(!vague.contains(&name), "{} has a name that says nothing", file.display());
        if name == "lib.rs" {
            assert!(
                lines <= 120,
                "{} is the page a stranger reads first; it has {lines} lines",
                file.display()
            );
        }
    }
}

/// Every Rust file below a folder.
fn sources(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|ending| ending == "rs") {
                found.push(entry);
            }
        }
    }
    found
}
