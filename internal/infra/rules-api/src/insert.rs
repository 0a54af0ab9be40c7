//! `/inserts-stream`: a line with the source's name, then a line a row, each answered by a line.

use axum::body::Body;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use millstream_model::{Column, Type};
use millstream_sql::Source;
use serde_json::{Value, json};

use crate::desk::Desk;
use crate::names::Layout;
use crate::problem::Problem;
use crate::request::{InsertsRequest, read};

/// Writes the rows of a request's lines. A row that can't be written ends it, and is told last.
pub(crate) async fn taken(desk: Desk, layout: Layout, body: Body) -> Result<Response, Problem> {
    let body = crate::http::whole(&desk, body).await?;
    let lines = crate::http::apart(&desk, move |desk| lines(&desk, &body)).await??;
    let text = match layout {
        Layout::Array | Layout::Objects => Value::Array(lines).to_string(),
        Layout::Lines | Layout::Text => {
            lines.iter().fold(String::new(), |text, line| text + &line.to_string() + "\n")
        }
    };
    Ok(([(header::CONTENT_TYPE, layout.media())], text).into_response())
}

fn lines(desk: &Desk, body: &[u8]) -> Result<Vec<Value>, Problem> {
    let mut lines = body.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
    let first = lines.next().ok_or_else(|| Problem::request("the first line names the target"))?;
    let request: InsertsRequest = read(&first.to_vec().into())?;
    let name = folded(&request.target);
    let missing = || Problem::new(StatusCode::BAD_REQUEST, 1, format!("there is no stream or table {name}"));
    let source = desk.statements.source(&name).ok_or_else(missing)?;
    let mut answers = Vec::new();
    for (seq, line) in lines.enumerate() {
        match row(desk, &source, line) {
            Ok(()) => answers.push(json!({"status": "ok", "seq": seq})),
            Err(problem) => {
                answers.push(json!({
                    "status": "error", "seq": seq, "error_code": problem.code(), "message": problem.message(),
                }));
                break;
            }
        }
    }
    Ok(answers)
}

/// A name in quotes as it is; another one in capitals.
fn folded(name: &str) -> String {
    let quoted = name.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    quoted.map_or_else(|| name.to_uppercase(), |quoted| quoted.replace("``", "`"))
}

fn row(desk: &Desk, source: &Source, line: &[u8]) -> Result<(), Problem> {
    let read: Value = read(&line.to_vec().into())?;
    let object = read.as_object().ok_or_else(|| Problem::request("a row is an object"))?;
    let mut columns = Vec::new();
    for (name, value) in object {
        let name = folded(name);
        let rowtime = Column::new("ROWTIME", Type::Bigint);
        let known = source.key.iter().chain(&source.value).find(|column| column.name == name);
        let column = known.or_else(|| (name == "ROWTIME").then_some(&rowtime));
        let said =
            || Problem::new(StatusCode::BAD_REQUEST, 1, format!("{} has no column {name}", source.name));
        let column = column.ok_or_else(said)?;
        columns.push((name.clone(), expression(value, &column.ty)));
    }
    desk.statements.insert_row(&source.name, &columns).map_err(|fault| {
        let problem = Problem::statement("", &fault);
        Problem::new(StatusCode::BAD_REQUEST, 1, problem.message().to_owned())
    })
}

/// A JSON value as an expression of the language.
fn expression(value: &Value, ty: &Type) -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    match (value, ty) {
        (Value::Null, _) => format!("CAST(NULL AS {ty})"),
        (Value::String(given), Type::Bytes) => format!("TO_BYTES({}, 'base64')", text(given)),
        (Value::String(given), Type::String) => text(given),
        (Value::String(given), _) => format!("CAST({} AS {ty})", text(given)),
        (Value::Bool(_) | Value::Number(_), Type::String) => text(&value.to_string()),
        (Value::Number(number), Type::Double | Type::Decimal { .. }) => {
            format!("CAST({} AS {ty})", text(&number.to_string()))
        }
        (Value::Bool(_) | Value::Number(_), _) => value.to_string(),
        (Value::Array(values), Type::Array(of)) if values.is_empty() => format!("CAST(NULL AS ARRAY<{of}>)"),
        (Value::Array(values), Type::Array(of)) => {
            list("ARRAY[", values.iter().map(|each| expression(each, of)), "]")
        }
        (Value::Object(object), Type::Map(_, of)) => {
            let entry =
                |(name, each): (&String, &Value)| format!("{} := {}", text(name), expression(each, of));
            list("MAP(", object.iter().map(entry), ")")
        }
        (Value::Object(object), Type::Struct(fields)) => {
            let given = |field: &Column| {
                let found = object.iter().find(|(name, _)| folded(name) == field.name);
                let value = found.map_or(&Value::Null, |(_, value)| value);
                format!("`{}` := {}", field.name.replace('`', "``"), expression(value, &field.ty))
            };
            list("STRUCT(", fields.iter().map(given), ")")
        }
        (other, _) => text(&other.to_string()),
    }
}

fn list(open: &str, parts: impl Iterator<Item = String>, close: &str) -> String {
    format!("{open}{}{close}", parts.collect::<Vec<_>>().join(", "))
}
