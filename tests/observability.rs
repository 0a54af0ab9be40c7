//! Dashboards and alerts as files: what Grafana reads fits its model, and every alert is the same everywhere it is written.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("grafana/dashboards");
    let read =
        |path: PathBuf| (path.clone(), serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap());
    fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

/// An alert as a file has it.
#[derive(Debug, PartialEq, Eq)]
struct Alert {
    expression: String,
    wait: String,
}

/// What stands behind `field` in a line, without its quotes.
fn value<'l>(line: &'l str, field: &str) -> Option<&'l str> {
    let rest = line.split_once(field)?.1.trim_start_matches([':', ' ']);
    let rest = rest
        .strip_prefix('\'')
        .map_or(rest, |quoted| quoted.rsplit_once('\'').map_or(quoted, |(text, _)| text));
    Some(rest.trim_end())
}

/// The alerts of a file by their names: each begins at a line with `begin`, and `name` says what it is called.
fn alerts(text: &str, begin: &str, name: &str) -> BTreeMap<String, Alert> {
    let field = |part: &str, field: &str| {
        part.lines()
            .find_map(|line| value(line, field))
            .unwrap_or_else(|| panic!("no {field} in {part}"))
            .to_owned()
    };
    let one = |part: &str| {
        let part = format!("{begin}{part}");
        let called = field(&part, name).trim_end_matches('}').to_owned();
        (called, Alert { expression: field(&part, "expr"), wait: field(&part, " for") })
    };
    text.split(begin).skip(1).map(one).collect()
}

fn anchor(alert: &str) -> String {
    let mut anchor = String::new();
    for letter in alert.chars() {
        if letter.is_uppercase() && !anchor.is_empty() {
            anchor.push('-');
        }
        anchor.extend(letter.to_lowercase());
    }
    anchor
}

#[test]
fn grafanas_alerts_are_prometheus_alerts() {
    let prometheus = alerts(&file("grafana/alerts/millstream.yaml"), "- alert: ", "alert");
    let grafana_text = file("grafana/provisioning/alerting/rules.yaml");
    let grafana = alerts(&grafana_text, "- uid: ", "alert");
    assert_eq!(prometheus, grafana);
    assert!(prometheus.len() >= 14, "{}", prometheus.len());
    assert_eq!(grafana_text.matches("noDataState: OK").count(), grafana.len());
}

#[test]
fn every_alert_is_made_to_fire_and_to_stay_silent_and_has_a_runbook() {
    let tests = file("grafana/alerts/millstream.test.yaml");
    let healthy = tests.split("- name: ").nth(1).unwrap();
    let runbook = file("docker/docs/alerts.md");
    for name in alerts(&file("grafana/alerts/millstream.yaml"), "- alert: ", "alert").keys() {
        let fires = tests
            .split("- eval_time")
            .any(|part| part.contains(&format!("alertname: {name}\n")) && part.contains("exp_alerts"));
        assert!(fires, "no test makes {name} fire");
        assert!(
            healthy.contains(&format!("alertname: {name}}}")),
            "no test keeps {name} silent in a healthy run"
        );
        assert!(runbook.contains(&format!("## {}\n", anchor(name))), "no runbook paragraph for {name}");
    }
}

/// Names of figures in quotes or backquotes in a text.
fn figures(text: &str) -> BTreeSet<String> {
    let quoted = text.split(['"', '`']);
    let is_figure = |name: &&str| {
        ["millstream_", "process_"].iter().any(|begin| name.starts_with(begin))
            && name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_')
    };
    quoted.filter(is_figure).map(ToOwned::to_owned).collect()
}

/// All that the programs' own code tells.
fn told() -> BTreeSet<String> {
    let files = [
        "cmd/client/src/figures.rs",
        "cmd/shop/src/figures.rs",
        "internal/application/rule-engine/src/watched.rs",
        "internal/application/runtime/src/metrics.rs",
        "internal/application/replication/src/figures.rs",
        "internal/infra/telemetry/src/disk.rs",
        "internal/infra/telemetry/src/exporter.rs",
        "internal/infra/telemetry/src/spans.rs",
    ];
    files.iter().flat_map(|path| figures(file(path).split("#[cfg(test)]").next().unwrap())).collect()
}

#[test]
fn the_page_of_figures_lists_what_is_told_and_nothing_else() {
    let (told, listed) = (told(), figures(&file("docker/docs/metrics.md")));
    assert!(told.len() > 40, "{}", told.len());
    assert_eq!(listed.symmetric_difference(&told).collect::<Vec<_>>(), [] as [&String; 0]);
}

#[test]
fn panels_and_alerts_ask_for_figures_that_there_are() {
    let told = told();
    let mut asked = file("grafana/alerts/millstream.yaml");
    for (_, dashboard) in dashboards() {
        asked.push_str(&dashboard.to_string());
    }
    let words = asked.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_'));
    for word in words.filter(|word| word.starts_with("millstream_") || word.starts_with("process_")) {
        let ends = ["_bucket", "_sum", "_count"];
        let base = ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
        assert!(told.contains(word) || told.contains(base), "nothing tells {word}");
    }
}

#[test]
fn dashboards_fit_grafanas_model() {
    let mut uids = BTreeSet::new();
    for (path, dashboard) in dashboards() {
        let path = path.display();
        assert!(
            uids.insert(dashboard["uid"].as_str().unwrap().to_owned()),
            "{path}: its uid is another's too"
        );
        assert!(
            dashboard["uid"].as_str().unwrap().len() <= 40 && dashboard["schemaVersion"].as_u64() >= Some(39)
        );
        assert!(!dashboard["title"].as_str().unwrap().is_empty());
        let panels = dashboard["panels"].as_array().unwrap();
        let ids: BTreeSet<_> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
        assert_eq!(ids.len(), panels.len(), "{path}: two panels have one id");
        no_overlap(&path.to_string(), panels);
        panels
            .iter()
            .filter(|panel| panel["type"] != "row")
            .for_each(|panel| check(&path.to_string(), panel));
    }
    assert!(uids.len() >= 4);
}

fn check(path: &str, panel: &Value) {
    let title = panel["title"].as_str().unwrap();
    assert!(
        ["timeseries", "stat"].contains(&panel["type"].as_str().unwrap()),
        "{path}, {title}: unknown type"
    );
    assert!(!panel["description"].as_str().unwrap().is_empty(), "{path}, {title}: no description");
    assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{path}, {title}: no unit");
    let targets = panel["targets"].as_array().unwrap();
    assert!(!targets.is_empty(), "{path}, {title}: shows nothing");
    let refs: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
    assert_eq!(refs.len(), targets.len(), "{path}, {title}: two targets have one refId");
    for target in targets {
        assert_eq!(target["datasource"]["uid"], "millstream", "{path}, {title}");
        assert!(!target["expr"].as_str().unwrap().is_empty() && target["legendFormat"].is_string());
    }
}

fn no_overlap(path: &str, panels: &[Value]) {
    let mut taken = BTreeSet::new();
    for panel in panels {
        let of = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(of("x") + of("w") <= 24, "{path}: {} is too far right", panel["title"]);
        for x in of("x")..of("x") + of("w") {
            for y in of("y")..of("y") + of("h") {
                assert!(taken.insert((x, y)), "{path}: {} lies over another panel", panel["title"]);
            }
        }
    }
}
