use std::process::{Output, Stdio};

use crate::stack::Stack;

/// What is missing or wrong is told in one sentence, with the exit code that scripts look at.
pub fn run(stack: &Stack) {
    for program in ["shop", "stream", "client"] {
        let missing =
            stack.program(program, "").env_remove("KAFKA_BROKERS").stdin(Stdio::null()).output().unwrap();
        told(&missing, 2, &["KAFKA_BROKERS is not set", "config.yaml", ".env"]);
        let malformed = stack.program(program, "").env("SCHEMA_REGISTRY_URL", "registry").output().unwrap();
        told(&malformed, 2, &["SCHEMA_REGISTRY_URL", "does not begin with http"]);
    }
    for program in ["shop", "stream", "client", "rules"] {
        assert!(stack.run(program, "", &["--help"]).status.success());
        assert!(String::from_utf8_lossy(&stack.run(program, "", &["--version"]).stdout).starts_with(program));
    }
    told(
        &stack.run("shop", "absent_", &["--count", "1"]),
        1,
        &["topic 'absent_shop_products' does not exist"],
    );
    told(
        &stack.run("stream", "absent_", &["--no-repl"]),
        1,
        &["topic 'absent_shop_products' does not exist", "kafka-topics.sh"],
    );
    let weaker = stack.program("shop", "").env("KAFKA_CONFIG_ACKS", "1").output().unwrap();
    told(&weaker, 1, &["'acks'", "all in-sync replicas"]);
    let file = stack.folder("rules").join("bad.sql");
    std::fs::write(&file, "CREATE STREAM a AS\n  SELECT x FROM nowhere;\n").unwrap();
    told(
        &stack.run("rules", "", &["check", file.to_str().unwrap()]),
        1,
        &["bad.sql:2:17", "^^^^^^^", "no stream or table NOWHERE"],
    );
}

fn told(output: &Output, code: i32, words: &[&str]) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for word in words {
        assert!(said.contains(word), "{word:?} is not in:\n{said}");
    }
}
