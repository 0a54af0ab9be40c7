//! What statements come to, in tables and sentences.

use std::fmt::Write as _;

use comfy_table::presets::ASCII_FULL_CONDENSED;
use comfy_table::{ContentArrangement, Table};
use serde_json::Value;

use super::table::text;

/// An object of the API as people read it. Writing to a String does not fail.
pub(crate) fn entity(of: &Value, width: usize) -> String {
    let kind = of.get("@type").and_then(Value::as_str).unwrap_or_default();
    let list = |name: &str| of.get(name).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    match kind {
        "currentStatus" => at(of, "/commandStatus/message"),
        "assert_topic" | "assert_schema" => at(of, "/message"),
        "streams" => {
            listed(list("streams"), &["name", "topic", "keyFormat", "valueFormat", "isWindowed"], width)
        }
        "tables" => {
            listed(list("tables"), &["name", "topic", "keyFormat", "valueFormat", "isWindowed"], width)
        }
        "kafka_topics" => topics(list("topics"), width),
        "queries" => listed(list("queries"), &["id", "state", "sinks", "queryString", "reason"], width),
        "properties" => listed(list("properties"), &["name", "value"], width),
        "function_names" => listed(list("functions"), &["name", "type"], width),
        "variables" => listed(list("variables"), &["name", "value"], width),
        "type_list" => types(of, width),
        "sourceDescription" => {
            of.get("sourceDescription").map_or_else(String::new, |one| described(one, width))
        }
        "source_descriptions" => {
            list("sourceDescriptions").iter().map(|one| described(one, width)).collect::<Vec<_>>().join("\n")
        }
        "describe_function" => function(of),
        "queryDescription" => explained(of),
        _ => of.to_string(),
    }
}

fn at(of: &Value, path: &str) -> String {
    of.pointer(path).map(text).unwrap_or_default()
}

fn table(head: &[&str], width: usize) -> Table {
    let mut table = Table::new();
    let width = u16::try_from(width).unwrap_or(u16::MAX);
    table
        .load_style(ASCII_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width);
    table.set_header(head.to_vec());
    table
}

fn listed(all: &[Value], fields: &[&str], width: usize) -> String {
    if all.is_empty() {
        return "there are none".to_owned();
    }
    // What no line has is not shown.
    let fields: Vec<_> = fields
        .iter()
        .copied()
        .filter(|field| all.iter().any(|one| one.get(field).is_some_and(|value| !value.is_null())))
        .collect();
    let mut table = table(&fields, width);
    for one in all {
        let cell = |field: &&str| one.get(*field).map_or_else(String::new, plain);
        table.add_row(fields.iter().map(cell));
    }
    table.to_string()
}

/// A list without its brackets, and nothing for null.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        other => text(other),
    }
}

fn topics(all: &[Value], width: usize) -> String {
    let mut table = table(&["name", "partitions", "replicas"], width);
    for topic in all {
        let partitions = topic.get("replicaInfo").and_then(Value::as_array).map_or(0, Vec::len);
        table.add_row([at(topic, "/name"), partitions.to_string(), at(topic, "/replicaInfo/0")]);
    }
    table.to_string()
}

fn types(of: &Value, width: usize) -> String {
    let Some(types) = of.get("types").and_then(Value::as_object).filter(|types| !types.is_empty()) else {
        return "there are none".to_owned();
    };
    let mut table = table(&["name", "type"], width);
    for (name, ty) in types {
        table.add_row([name.clone(), at(ty, "/type")]);
    }
    table.to_string()
}

/// A type's object in a line.
fn schema(of: &Value) -> String {
    let name = at(of, "/type");
    let inner = of.get("memberSchema").filter(|inner| !inner.is_null());
    let fields = of.get("fields").and_then(Value::as_array);
    match (inner, fields) {
        (Some(inner), _) => format!("{name}<{}>", schema(inner)),
        (None, Some(fields)) => {
            let field = |field: &Value| {
                format!("{} {}", at(field, "/name"), field.get("schema").map(schema).unwrap_or_default())
            };
            format!("{name}<{}>", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        _ => name,
    }
}

fn described(of: &Value, width: usize) -> String {
    let mut out = format!("name: {} ({})\n", at(of, "/name"), at(of, "/type").to_lowercase());
    let mut fields = table(&["field", "type"], width);
    for field in of.get("fields").and_then(Value::as_array).into_iter().flatten() {
        let kind =
            field.get("type").map_or_else(String::new, |kind| format!(" ({})", text(kind).to_lowercase()));
        fields.add_row([
            at(field, "/name"),
            field.get("schema").map(schema).unwrap_or_default() + kind.as_str(),
        ]);
    }
    out += &fields.to_string();
    if of.get("extended") == Some(&Value::Bool(true)) {
        for (label, path) in [
            ("topic", "/topic"),
            ("partitions", "/partitions"),
            ("key format", "/keyFormat"),
            ("value format", "/valueFormat"),
            ("windows", "/windowType"),
            ("timestamp column", "/timestamp"),
            ("statement", "/statement"),
            ("figures", "/statistics"),
        ] {
            let said = at(of, path);
            if !said.is_empty() && said != "null" {
                let _ = write!(out, "\n{label}: {said}");
            }
        }
        for (label, field) in [("read by", "readQueries"), ("written by", "writeQueries")] {
            for query in of.get(field).and_then(Value::as_array).into_iter().flatten() {
                let _ = write!(out, "\n{label}: {} ({})", at(query, "/id"), at(query, "/state"));
            }
        }
    }
    out
}

fn function(of: &Value) -> String {
    let name = at(of, "/name");
    let mut out = format!("{name} ({}): {}", at(of, "/type").to_lowercase(), at(of, "/description"));
    for way in of.get("functions").and_then(Value::as_array).into_iter().flatten() {
        let arguments = way.get("arguments").and_then(Value::as_array).into_iter().flatten();
        let arguments: Vec<_> = arguments.map(parameter).collect();
        let _ = write!(out, "\n  {name}({}) -> {}", arguments.join(", "), at(way, "/returnType"));
    }
    out
}

/// A function's parameter; dots stand where it may be given more than once.
fn parameter(of: &Value) -> String {
    let many = if of.get("isVariadic") == Some(&Value::Bool(true)) { "…" } else { "" };
    format!("{} {}{many}", at(of, "/name"), at(of, "/type")).trim().to_owned()
}

fn explained(of: &Value) -> String {
    let id = at(of, "/queryDescription/id");
    let head = if id.is_empty() {
        String::new()
    } else {
        let (state, text) = (at(of, "/queryDescription/state"), at(of, "/queryDescription/statementText"));
        format!("query {id}: {state}\n{text}\n\n")
    };
    let steps = of.pointer("/queryDescription/executionPlan").and_then(Value::as_str).unwrap_or_default();
    format!("{head}{}", steps.trim_end())
}

/// What is wrong with a statement: the lines that are named are shown, with a caret under the place.
pub(crate) fn failure(said: &str, statement: &str) -> String {
    let lines: Vec<_> = statement.lines().collect();
    let mut out = String::new();
    for message in said.lines() {
        let placed = message.strip_prefix("line ").and_then(|rest| {
            let (place, rest) = rest.split_once(": ")?;
            let (line, column) = place.split_once(':')?;
            Some((line.parse::<usize>().ok()?, column.parse::<usize>().ok()?, rest))
        });
        match placed
            .and_then(|(line, column, rest)| Some((lines.get(line.checked_sub(1)?)?, line, column, rest)))
        {
            Some((shown, number, column, rest)) => {
                let margin = " ".repeat(number.to_string().len());
                let indent: String = shown
                    .chars()
                    .take(column.saturating_sub(1))
                    .map(|c| if c == '\t' { c } else { ' ' })
                    .collect();
                let _ = write!(out, "error: {rest}\n{number} | {shown}\n{margin} | {indent}^\n");
            }
            None => {
                let _ = writeln!(out, "error: {message}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_place_is_shown_under_its_line() {
        let drawn = failure("line 2:3: there is no column NAM; there are ID\nelse", "SELECT\n  nam\nFROM x");
        assert_eq!(drawn, "error: there is no column NAM; there are ID\n2 |   nam\n  |   ^\nerror: else\n");
    }

    #[test]
    fn every_kind_of_object_is_told() {
        for (object, words) in [
            (
                json!({"@type": "currentStatus", "commandStatus": {"message": "Stream created"}}),
                vec!["Stream created"],
            ),
            (json!({"@type": "streams", "streams": [{"name": "A", "topic": "a"}]}), vec!["topic", "| A "]),
            (json!({"@type": "queries", "queries": []}), vec!["there are none"]),
            (
                json!({"@type": "kafka_topics", "topics": [{"name": "t", "replicaInfo": [1, 1]}]}),
                vec!["| t ", "2"],
            ),
            (
                json!({"@type": "sourceDescription", "sourceDescription": {"name": "S", "type": "STREAM", "fields": [
                    {"name": "ID", "type": "KEY", "schema": {"type": "STRING"}},
                    {"name": "X", "schema": {"type": "ARRAY", "memberSchema": {"type": "INTEGER"}}}]}}),
                vec!["STRING (key)", "ARRAY<INTEGER>"],
            ),
            (json!({"@type": "something else"}), vec!["something else"]),
        ] {
            let told = entity(&object, 80);
            assert!(words.iter().all(|word| told.contains(word)), "{told}");
        }
    }
}
