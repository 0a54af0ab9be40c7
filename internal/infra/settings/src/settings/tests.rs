use std::fs;

use serde::Deserialize;
use tempfile::TempDir;

use super::*;

type Pairs<'a> = &'a [(&'a str, &'a str)];

/// A folder with these files, and the sources in it.
fn folder(files: Pairs<'_>) -> (TempDir, Sources) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let sources = Sources::at(folder.path());
    (folder, sources)
}

fn load(files: Pairs<'_>, environment: Pairs<'_>) -> Settings {
    let (_folder, sources) = folder(files);
    Settings::load(sources.environment(environment.iter().copied())).unwrap()
}

fn refusal(files: Pairs<'_>) -> String {
    let (_folder, sources) = folder(files);
    Settings::load(sources).unwrap_err().to_string()
}

#[test]
fn a_later_place_wins() {
    let (file, yaml) = (".env", "config.yaml");
    let layers: [(Pairs<'_>, Pairs<'_>, Option<&str>, &str); 5] = [
        (&[(file, "KAFKA_BROKERS=file:1")], &[], None, "file:1"),
        (&[(file, "KAFKA_BROKERS=file:1"), (yaml, "kafka_brokers: yaml:1")], &[], None, "yaml:1"),
        (&[(yaml, "kafka_brokers: yaml:1")], &[("KAFKA_BROKERS", "environment:1")], None, "environment:1"),
        (&[(file, "KAFKA_BROKERS=file:1")], &[("KAFKA_BROKERS", "")], None, "file:1"),
        (&[(yaml, "kafka_brokers: yaml:1")], &[("KAFKA_BROKERS", "e:1")], Some("flag:1"), "flag:1"),
    ];
    for (files, environment, flag, expected) in layers {
        let (_folder, sources) = folder(files);
        let sources = sources.environment(environment.iter().copied());
        let sources = sources.flag("kafka_brokers", flag);
        assert_eq!(Settings::load(sources).unwrap().brokers().unwrap(), expected);
    }
}

#[test]
fn what_is_missing_is_told_with_every_place() {
    let (folder, sources) = folder(&[(".env", "")]);
    let settings = Settings::load(sources).unwrap();
    let at = folder.path().display();
    assert_eq!(
        settings.brokers().unwrap_err().to_string(),
        format!(
            "KAFKA_BROKERS is not set; it was looked for in --brokers, the environment, 'kafka_brokers' in \
             {at}/config.yaml (no such file), and {at}/.env"
        )
    );
}

#[test]
fn what_is_malformed_is_told_with_the_place_that_counts() {
    let settings = load(
        &[("config.yaml", "product_topic: a b\nkafka_brokers: [x]\nstream: {workers: many}")],
        &[("SCHEMA_REGISTRY_URL", "http//ann:hunter2@registry"), ("DATABASE_DSN", "ann:hunter2")],
    );
    let said = [
        settings.topic(Key::ProductTopic).unwrap_err().to_string(),
        settings.brokers().unwrap_err().to_string(),
        settings.get::<usize>("stream.workers").unwrap_err().to_string(),
        settings.registry_url().unwrap_err().to_string(),
        settings.database_dsn().unwrap_err().to_string(),
    ];
    for (said, parts) in said.iter().zip([
        ["PRODUCT_TOPIC, as 'product_topic' in /", "'a b' is not a topic name"],
        ["KAFKA_BROKERS, as 'kafka_brokers' in /", "it is not one value"],
        ["STREAM_WORKERS, as 'stream.workers' in /", "'many': invalid digit"],
        ["SCHEMA_REGISTRY_URL, as the environment has it", "'***@registry' does not begin with http"],
        ["DATABASE_DSN, as the environment has it", "it is no database address"],
    ]) {
        for part in parts {
            assert!(said.contains(part), "no {part:?} in {said}");
        }
        assert!(said.contains("it was looked for in") && !said.contains("hunter2"), "{said}");
    }
}

#[test]
fn kafkas_properties_pass_through_whatever_they_are() {
    let settings = load(
        &[
            (".env", "KAFKA_CONFIG_SASL_MECHANISM=PLAIN\nKAFKA_CONFIG_LINGER_MS=1"),
            (
                "config.yaml",
                "kafka:\n  security.protocol: SASL_SSL\n  linger.ms: 2\n  producer:\n    batch.size: 9\n  \
                 consumer.check.crcs: true\n",
            ),
        ],
        &[("KAFKA_CONFIG_SECURITY_PROTOCOL", "SSL"), ("KAFKA_CONFIG_SASL_PASSWORD", "hunter2")],
    );
    let shown = format!("{settings:?}");
    assert!(shown.contains("sasl.password") && !shown.contains("hunter2"), "{shown}");
    let expected = [
        ("consumer.check.crcs", "true"),
        ("linger.ms", "2"),
        ("producer.batch.size", "9"),
        ("sasl.mechanism", "PLAIN"),
        ("sasl.password", "hunter2"),
        ("security.protocol", "SSL"),
    ];
    let pairs: Vec<_> = settings.kafka_properties().into_iter().collect();
    assert_eq!(pairs, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_section_that_is_no_names_with_values_is_refused() {
    for (text, reason) in
        [("kafka: {a: [1]}", "'a' is not one value"), ("stream: {}\nkafka:\n- x", "'kafka', which is")]
    {
        let (_folder, sources) = folder(&[("config.yaml", text)]);
        let said = Settings::load(sources).unwrap_err().to_string();
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn a_programs_section_is_read_by_its_type_and_overlaid_by_variables() {
    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Rules {
        folder: String,
        replication: u16,
    }
    let settings = load(
        &[("config.yaml", "rules: {folder: rules, replication: 3}\nstream: {workers: 2, state_dir: /var}")],
        &[("STREAM_WORKERS", "4")],
    );
    let rules = settings.section::<Rules>("rules").unwrap();
    assert_eq!(rules, Some(Rules { folder: "rules".to_owned(), replication: 3 }));
    assert_eq!(settings.get::<usize>("stream.workers").unwrap(), Some(4));
    assert_eq!(settings.get::<String>("stream.state_dir").unwrap().as_deref(), Some("/var"));
    assert_eq!(settings.get::<bool>("stream.case_sensitive_filter").unwrap(), None);
    assert_eq!(settings.section::<Rules>("shop").unwrap(), None);
    let said = settings.section::<Rules>("stream").unwrap_err().to_string();
    assert!(said.contains("section 'stream'") && said.contains("config.yaml"), "{said}");
}

#[test]
fn files_that_can_not_be_read_are_told_without_their_contents() {
    let said = refusal(&[(".env", "A=b\nSECRET hunter2\n")]);
    assert!(said.contains(".env") && said.contains("line 2") && !said.contains("hunter2"), "{said}");
    let said = refusal(&[("config.yaml", "a: [")]);
    assert!(said.contains("config.yaml"), "{said}");
    let said = refusal(&[("config.yaml", "kafka_broker: a:1")]);
    assert!(said.contains("'kafka_broker', which is no setting") && said.contains("kafka_brokers"), "{said}");
    let (folder, sources) = folder(&[]);
    let said =
        Settings::load(sources.config(Some(folder.path().join("other.yaml")))).unwrap_err().to_string();
    assert!(said.contains("other.yaml") && said.contains("no such file"), "{said}");
}

#[test]
fn the_file_that_a_flag_names_takes_the_place_of_the_usual_one() {
    let (folder, sources) =
        folder(&[("config.yaml", "kafka_brokers: a:1"), ("other.yml", "kafka_brokers: b:1")]);
    let settings = Settings::load(sources.config(Some(folder.path().join("other.yml")))).unwrap();
    assert_eq!(settings.brokers().unwrap(), "b:1");
}
