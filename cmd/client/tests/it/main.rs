//! The program as a script meets it, as far as that goes without Kafka.
#![allow(clippy::unwrap_used, missing_docs, reason = "tests")]

use std::process::{Command, Output};

/// Runs the program with these settings alone, in a folder that has no files.
fn client(arguments: &[&str], settings: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_client"));
    command.args(arguments).env_clear().envs(settings.iter().copied()).current_dir(folder.path());
    command.output().unwrap()
}

#[test]
fn help_and_version_are_told() {
    let help = client(&["--help"], &[]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for flag in ["--user", "--once", "--wait", "--json", "--brokers", "--registry", "--config"] {
        assert!(text.contains(flag), "no {flag} in {text}");
    }
    let version = client(&["--version"], &[]);
    assert_eq!(String::from_utf8(version.stdout).unwrap(), format!("client {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_setting_that_is_missing_or_malformed_is_one_sentence_and_exit_code_2() {
    let fine = [("KAFKA_BROKERS", "localhost:9092"), ("SCHEMA_REGISTRY_URL", "http://localhost:8081")];
    for (arguments, settings, words) in [
        (&[][..], &[][..], ["KAFKA_BROKERS is not set", "--brokers, the environment"]),
        (
            &["--brokers", "localhost"],
            &fine,
            ["KAFKA_BROKERS, as --brokers has it", "'localhost' has no port"],
        ),
        (&["--once", "lamp"], &fine, ["PRODUCT_FIND_TOPIC is not set", "'product_find_topic' in"]),
        (&["--config", "absent.yaml"], &fine, ["absent.yaml", "no such file"]),
    ] {
        let output = client(arguments, settings);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        for word in words {
            assert!(said.contains(word), "no {word:?} in {said}");
        }
    }
}
