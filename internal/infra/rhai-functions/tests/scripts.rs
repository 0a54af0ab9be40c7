//! Scripts as functions: what they are given and give, and that they reach nothing and end.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;

use millstream_model::Value;
use millstream_rhai_functions::{Limits, ScriptError, ScriptFunction, load};

fn compiled(signature: &str, script: &str) -> Result<ScriptFunction, ScriptError> {
    ScriptFunction::compile("f", &format!("// What it does.\n// {signature}\n{script}"), &Limits::default())
}

fn called(signature: &str, script: &str, values: &[Value]) -> Result<Value, String> {
    compiled(signature, script).unwrap().call(values).map_err(|failure| failure.to_string())
}

#[test]
fn values_of_every_type_go_in_and_come_out() {
    let map = Value::Map(BTreeMap::from([(Value::from("a"), Value::Double(1.5))]));
    for (ty, value) in [
        ("BOOLEAN", Value::Boolean(true)),
        ("INT", Value::Int(-7)),
        ("BIGINT", Value::Bigint(i64::MAX)),
        ("DOUBLE", Value::Double(0.1)),
        ("STRING", Value::from("grün")),
        ("BYTES", Value::Bytes([0, 255].into())),
        ("DATE", Value::Date(19_000)),
        ("TIME", Value::Time(86_399_999)),
        ("TIMESTAMP", Value::Timestamp(-1)),
        ("ARRAY<ARRAY<INT>>", Value::Array(vec![Value::Array(vec![Value::Int(1), Value::Null])])),
        ("MAP<STRING, DOUBLE>", map),
        ("STRUCT<a INT, b STRING>", Value::Struct(vec![Value::Int(1), Value::from("x")])),
        ("STRING", Value::Null),
    ] {
        let given =
            called(&format!("value {ty} -> {ty}"), "fn f(value) { value }", std::slice::from_ref(&value));
        assert_eq!(given, Ok(value), "{ty}");
    }
    let with = "fn f(row, add) { row.total += add; row.rates.push(0.5); row }";
    let row = |total, rates: Vec<f64>| {
        Value::Struct(vec![
            Value::Bigint(total),
            Value::Array(rates.into_iter().map(Value::Double).collect()),
        ])
    };
    let signature =
        "row STRUCT<total BIGINT, rates ARRAY<DOUBLE>>, add INT -> STRUCT<total BIGINT, rates ARRAY<DOUBLE>>";
    assert_eq!(called(signature, with, &[row(1, vec![]), Value::Int(2)]), Ok(row(3, vec![0.5])));
}

#[test]
fn what_goes_wrong_is_a_failure_with_a_reason() {
    for (signature, script, reason) in [
        ("a INT -> INT", "fn f(a) { throw \"no such luck\" }", "no such luck"),
        ("a INT -> INT", "fn f(a) { a / 0 }", "zero"),
        ("a INT -> INT", "fn f(a) { \"text\" }", "declared to give INT"),
        ("a INT -> INT", "fn f(a) { 3_000_000_000 }", "does not fit INT"),
        ("a INT -> INT", "fn f(a) { loop { } }", "operations"),
        ("a INT -> INT", "fn f(a) { f(a) }", "overflow"),
        ("a INT -> STRING", "fn f(a) { let t = \"x\"; loop { t += t; } }", "too large"),
        ("a INT -> ARRAY<INT>", "fn f(a) { let t = [1]; loop { t += t; } }", "too large"),
        ("a INT -> INT", "fn f(a) { nothing(a) }", "nothing"),
    ] {
        let failed = called(signature, script, &[Value::Int(1)]).unwrap_err().to_lowercase();
        assert!(failed.contains(&reason.to_lowercase()), "{script}: {failed}");
    }
}

#[test]
fn scripts_reach_nothing_outside() {
    for script in [
        "fn f(a) { import \"secrets\" as s; 1 }",
        "fn f(a) { eval(\"1\") }",
        "fn f(a) { timestamp() }",
        "fn f(a) { open_file(\"/etc/passwd\") }",
    ] {
        let reached = compiled("a INT -> INT", script)
            .map_err(|error| error.to_string())
            .and_then(|f| f.call(&[Value::Int(1)]).map_err(|failure| failure.to_string()));
        assert!(reached.is_err(), "{script}: {reached:?}");
    }
}

#[test]
fn what_is_no_function_is_refused_with_its_remedy() {
    for (signature, script, reason) in [
        ("nothing", "fn f(a) { a }", "begin its file with a comment"),
        ("a DECIMAL -> INT", "fn f(a) { a }", "can't be had by a script"),
        ("a MAP<INT, INT> -> INT", "fn f(a) { a }", "can't be had by a script"),
        ("a T -> T", "fn f(a) { a }", "can't be had by a script"),
        ("a INT -> INT", "fn f(a) { a", "can't be compiled"),
        ("a INT -> INT", "fn g(a) { a }", "defines no 'fn f' with 1 parameters"),
        ("a INT, b INT -> INT", "fn f(a) { a }", "defines no 'fn f' with 2 parameters"),
    ] {
        let refused = compiled(signature, script).unwrap_err().to_string();
        assert!(refused.contains(reason), "{script}: {refused}");
    }
}

#[test]
fn a_folder_is_loaded_by_names() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [
        ("b.rhai", "// Two.\n// -> INT\nfn b() { helper() }\nfn helper() { 2 }"),
        ("a.rhai", "// One.\n// -> INT\nfn a() { 1 }"),
        ("notes.txt", "no script"),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let loaded = load(folder.path(), &Limits::default()).unwrap();
    let told: Vec<_> =
        loaded.iter().map(|f| (f.name(), f.about(), f.signature(), f.call(&[]).unwrap())).collect();
    assert_eq!(told, [("a", "One.", "-> INT", Value::Int(1)), ("b", "Two.", "-> INT", Value::Int(2))]);
    assert!(
        load(&folder.path().join("none"), &Limits::default()).unwrap_err().to_string().contains("can't read")
    );
}
