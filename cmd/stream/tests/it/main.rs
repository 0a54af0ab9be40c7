//! The program as a script meets it, as far as that goes without Kafka.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::process::{Command, Output};

/// Runs the program with these settings alone, in a folder that has no files.
fn stream(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_stream"));
    command.args(arguments).env_clear().envs(settings.iter().copied()).current_dir(folder.path());
    command.output().unwrap()
}

#[test]
fn help_and_version_are_told() {
    let help = stream(&["--help"], &[]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for word in ["--filter", "--no-repl", "--state-dir", "--workers", "--http", "topics", "pipe", "exit code"]
    {
        assert!(text.contains(word), "no {word} in {text}");
    }
    let version = stream(&["--version"], &[]);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("stream {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_setting_that_is_missing_or_malformed_is_one_sentence_and_exit_code_2() {
    let fine = [
        ("KAFKA_BROKERS", "localhost:9092"),
        ("SCHEMA_REGISTRY_URL", "http://localhost:8081"),
        ("PRODUCT_TOPIC", "products"),
        ("PRODUCT_FILTERED_TOPIC", "filtered"),
        ("PRODUCT_WITH_FULL_IMG_SET_TOPIC", "complete"),
    ];
    for (arguments, settings, words) in [
        (&[][..], &[][..], ["KAFKA_BROKERS is not set", "the environment"]),
        (&[], &fine[..3], ["PRODUCT_FILTERED_TOPIC is not set", "'product_filtered_topic' in"]),
        (&["topics", "create"], &fine[..2], ["PRODUCT_TOPIC is not set", "config.yaml"]),
        (&["--http", "9101"], &fine, ["STREAM_HTTP_ADDRESS", "'9101' is no address; write host:port"]),
        (&["--registry", "localhost"], &fine, ["SCHEMA_REGISTRY_URL, as --registry has it", "http://"]),
    ] {
        let output = stream(arguments, settings);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
    }
}
