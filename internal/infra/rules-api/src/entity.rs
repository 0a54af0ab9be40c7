//! What statements come to, as ksqlDB's objects.

use millstream_rule_engine::{Answer, Described, FunctionTold, ListedQuery, Property, QueryState, Told};
use millstream_sql::{Asserted, Listed, Source, SourceKind, WindowShape};
use serde_json::{Value, json};

use crate::values::schema;

/// The object of a statement; none where there is nothing to say, as of what was set or inserted.
pub(crate) fn entity(statement: &str, answer: &Answer) -> Option<Value> {
    let mut entity = match answer {
        Answer::Done(told) => status(told)?,
        Answer::Asserted(asserted, said) => assertion(asserted, said),
        Answer::Sources(what, all) => sources(*what, all),
        Answer::Topics(all) => {
            let topic = |topic: &millstream_ports::TopicDescription| {
                let replicas: Vec<u32> = (0..topic.partitions).map(|_| topic.replicas).collect();
                json!({"name": topic.name.as_str(), "replicaInfo": replicas})
            };
            json!({"@type": "kafka_topics", "topics": all.iter().map(topic).collect::<Vec<_>>()})
        }
        Answer::Queries(all) => {
            json!({"@type": "queries", "queries": all.iter().map(query).collect::<Vec<_>>()})
        }
        Answer::Properties(all) => properties(all),
        Answer::Types(all) => {
            let types: serde_json::Map<_, _> =
                all.iter().map(|(name, ty)| (name.clone(), json!({"type": ty}))).collect();
            json!({"@type": "type_list", "types": types})
        }
        Answer::Functions(all) => {
            let function =
                |(name, kind): &(String, &str)| json!({"name": name, "type": kind, "category": ""});
            json!({"@type": "function_names", "functions": all.iter().map(function).collect::<Vec<_>>()})
        }
        Answer::Variables(all) => {
            let variables = all.iter().map(|(name, value)| json!({"name": name, "value": value}));
            json!({"@type": "variables", "variables": variables.collect::<Vec<_>>()})
        }
        Answer::Described(described) => {
            json!({"@type": "sourceDescription", "sourceDescription": description(described)})
        }
        Answer::Function(told) => function(told),
        Answer::Explained(steps, query) => explained(steps, query.as_deref(), statement),
        Answer::Rows { .. } | Answer::Flow { .. } | Answer::Printing(_) | Answer::Script(_) => return None,
    };
    if let Some(object) = entity.as_object_mut() {
        object.insert("statementText".to_owned(), json!(statement));
        object.entry("warnings").or_insert_with(|| json!([]));
    }
    Some(entity)
}

fn status(told: &Told) -> Option<Value> {
    // What was set, defined or inserted is told by nothing, as there.
    let is_silent = told.place.is_none()
        && ["Inserted", "Success", "Variable"].iter().any(|word| told.message.starts_with(word));
    if is_silent {
        return None;
    }
    Some(json!({
        "@type": "currentStatus",
        "commandId": told.subject,
        "commandStatus": {"status": "SUCCESS", "message": told.message, "queryId": told.query},
        "commandSequenceNumber": told.place.unwrap_or(-1),
    }))
}

/// What was asserted; `message` is for people.
fn assertion(asserted: &Asserted, said: &str) -> Value {
    match asserted {
        Asserted::Topic { topic, exists, .. } => {
            json!({"@type": "assert_topic", "topicName": topic, "exists": exists, "message": said})
        }
        Asserted::Schema { subject, id, exists, .. } => {
            json!({"@type": "assert_schema", "subject": subject, "id": id, "exists": exists, "message": said})
        }
        // The rest is asserted in scripts alone, and refused before.
        _ => json!({"@type": "currentStatus", "message": said}),
    }
}

fn kind(source: &Source) -> &'static str {
    match source.kind {
        SourceKind::Stream => "STREAM",
        SourceKind::Table => "TABLE",
    }
}

fn sources(what: Listed, all: &[Described]) -> Value {
    let (name, described) =
        if what == Listed::Tables { ("tables", "tables") } else { ("streams", "streams") };
    if all.iter().any(|each| each.is_extended) {
        let all: Vec<_> = all.iter().map(description).collect();
        return json!({"@type": "source_descriptions", "sourceDescriptions": all});
    }
    let listed = |each: &Described| {
        let source = &each.source;
        json!({
            "type": kind(source), "name": source.name, "topic": source.topic,
            "keyFormat": source.key_format, "valueFormat": source.value_format,
            "isWindowed": source.window.is_some(),
        })
    };
    json!({"@type": name, described: all.iter().map(listed).collect::<Vec<_>>()})
}

fn query(query: &ListedQuery) -> Value {
    json!({
        "queryString": format!("{};", query.text), "sinks": [query.sink], "sinkKafkaTopics": [query.topic],
        "id": query.id, "statusCount": {query.state.word(): 1}, "queryType": "PERSISTENT",
        "state": query.state.word(), "reason": query.state.reason(),
    })
}

fn properties(all: &[Property]) -> Value {
    let property = |property: &Property| json!({"name": property.name, "scope": "KSQL", "value": property.value, "editable": property.name.contains("auto.offset"), "level": "SERVER"});
    let own: Vec<_> =
        all.iter().filter(|property| property.is_own).map(|property| property.name.clone()).collect();
    json!({
        "@type": "properties", "properties": all.iter().map(property).collect::<Vec<_>>(),
        "overwrittenProperties": own, "defaultProperties": [],
    })
}

fn description(described: &Described) -> Value {
    let source = &described.source;
    let field = |column: &millstream_model::Column, kind: Option<&str>| {
        let mut field = json!({"name": column.name, "schema": schema(&column.ty)});
        if let (Some(kind), Some(object)) = (kind, field.as_object_mut()) {
            object.insert("type".to_owned(), json!(kind));
        }
        field
    };
    let keys = source.key.iter().map(|column| field(column, Some("KEY")));
    let headers = source.headers.iter().map(|header| field(&header.column, Some("HEADER")));
    let fields: Vec<_> =
        keys.chain(source.value.iter().map(|column| field(column, None))).chain(headers).collect();
    let window = source.window.map(|window| match window.shape {
        WindowShape::Tumbling { .. } => "TUMBLING",
        WindowShape::Hopping { .. } => "HOPPING",
        WindowShape::Session { .. } => "SESSION",
    });
    let queries = |all: &[ListedQuery]| all.iter().map(query).collect::<Vec<_>>();
    let figures: Vec<_> = described.figures.iter().map(|(name, count)| format!("{name}: {count}")).collect();
    json!({
        "name": source.name, "type": kind(source), "windowType": window, "fields": fields,
        "readQueries": queries(&described.readers), "writeQueries": queries(&described.writers),
        "timestamp": source.timestamp.as_ref().map_or("", |column| column.column.as_str()),
        "statistics": figures.join(" "), "errorStats": "", "extended": described.is_extended,
        "keyFormat": source.key_format, "valueFormat": source.value_format, "topic": source.topic,
        "partitions": described.topic.as_ref().map_or(0, |topic| topic.partitions),
        "replication": described.topic.as_ref().map_or(0, |topic| topic.replicas),
        "statement": described.statements.iter().map(|text| format!("{text};")).collect::<Vec<_>>().join("\n"), "queryOffsetSummaries": [], "sourceConstraints": [],
    })
}

fn function(told: &FunctionTold) -> Value {
    let way = |(parameters, result): &(String, String)| {
        let parameters: Vec<_> =
            split(parameters).into_iter().filter(|parameter| !parameter.is_empty()).collect();
        let argument = |text: &String| {
            let (name, ty) = text.split_once(' ').unwrap_or(("", text));
            let many = ty.strip_suffix("[]");
            json!({"name": name, "type": many.unwrap_or(ty), "description": "", "isVariadic": many.is_some()})
        };
        let arguments: Vec<_> = parameters.iter().map(argument).collect();
        json!({"arguments": arguments, "returnType": result, "description": told.about})
    };
    json!({
        "@type": "describe_function", "name": told.name, "description": told.about, "author": "", "version": "",
        "path": "internal", "functions": told.ways.iter().map(way).collect::<Vec<_>>(), "type": told.kind,
    })
}

/// Splits at the commas that stand in no brackets.
fn split(parameters: &str) -> Vec<String> {
    let (mut all, mut depth, mut before) = (vec![String::new()], 0_i32, ' ');
    for c in parameters.chars() {
        // The arrow of a lambda closes nothing.
        let closes = ">)]".contains(c) && before != '=';
        (depth, before) = (depth + i32::from("<([".contains(c)) - i32::from(closes), c);
        if c == ',' && depth == 0 {
            all.push(String::new());
        } else if let Some(last) = all.last_mut() {
            last.push(c);
        }
    }
    all.into_iter().map(|each| each.trim().to_owned()).collect()
}

fn explained(steps: &str, query: Option<&ListedQuery>, statement: &str) -> Value {
    let state = query.map_or(QueryState::Unknown, |query| query.state.clone());
    json!({"@type": "queryDescription", "queryDescription": {
        "id": query.map_or("", |query| query.id.as_str()),
        "statementText": query.map_or(statement, |query| query.text.as_str()),
        "windowType": null, "fields": [],
        "sources": query.map_or(&[][..], |query| query.reads.as_slice()),
        "sinks": query.map_or_else(Vec::new, |query| vec![query.sink.clone()]),
        "topology": steps, "executionPlan": steps, "overriddenProperties": {},
        "ksqlHostQueryStatus": {}, "queryType": "PERSISTENT", "queryErrors": [], "tasksMetadata": [],
        "state": query.map(|_| state.word()),
    }})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_split_outside_of_brackets() {
        assert_eq!(split("a MAP<K, V>, b"), ["a MAP<K, V>", "b"]);
        let lambdas = "map MAP<K, V>, key LAMBDA (K, V) => R, value LAMBDA (K, V) => S";
        assert_eq!(split(lambdas)[1..], ["key LAMBDA (K, V) => R", "value LAMBDA (K, V) => S"]);
    }
}
