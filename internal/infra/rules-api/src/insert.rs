//! `/inserts-stream`: a line with the source's name, then a line a row, each answered by a line as soon as it is safe.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::{Body, BodyDataStream, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_core::Stream as _;
use millstream_model::{Column, Type};
use millstream_sql::Source;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::SendError;

use crate::desk::Desk;
use crate::http::apart;
use crate::names::Layout;
use crate::problem::Problem;
use crate::request::{InsertsRequest, read};
use crate::stream::piped;
use crate::values::type_text;

/// Lines as they come. What a request has sent is answered before it sends more.
struct Lines {
    body: BodyDataStream,
    /// What came behind the last whole line.
    rest: Vec<u8>,
    is_over: bool,
    bytes_max: usize,
}

impl Lines {
    fn of(body: Body, bytes_max: usize) -> Self {
        Self { body: body.into_data_stream(), rest: Vec::new(), is_over: false, bytes_max }
    }

    /// The lines that are there when one is; none at the end.
    async fn next(&mut self) -> Result<Vec<Vec<u8>>, Problem> {
        loop {
            let whole = self.rest.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
            let end = if self.is_over { Some(self.rest.len()) } else { whole };
            if let Some(end) = end {
                let lines: Vec<_> = self.rest.drain(..end).collect();
                let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
                let lines: Vec<_> = lines.map(<[u8]>::to_vec).collect();
                if !lines.is_empty() || self.is_over {
                    return Ok(lines);
                }
            }
            if self.rest.len() > self.bytes_max {
                let said = format!("a line is longer than {} bytes", self.bytes_max);
                return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, 0, said));
            }
            match poll_fn(|context| Pin::new(&mut self.body).poll_next(context)).await {
                Some(Ok(more)) => self.rest.extend_from_slice(&more),
                Some(Err(error)) => return Err(Problem::request(format!("the request broke off: {error}"))),
                None => self.is_over = true,
            }
        }
    }
}

/// Writes rows as a request's lines bring them, and answers each. A row that can't be written ends it, and is told last.
pub(crate) async fn taken(desk: Desk, layout: Layout, body: Body) -> Result<Response, Problem> {
    let mut lines = Lines::of(body, desk.body_bytes_max);
    let mut begun = lines.next().await?.into_iter();
    let first = begun.next().ok_or_else(|| Problem::request("the first line names the target"))?;
    let request: InsertsRequest = read(&first.into())?;
    let name = folded(&request.target);
    let missing = || Problem::new(StatusCode::BAD_REQUEST, 1, format!("there is no stream or table {name}"));
    let source = desk.statements.source(&name).ok_or_else(missing)?;
    let (out, body) = piped();
    let inserts = Inserts { desk, source: Arc::new(source), layout, out, seq: 0 };
    tokio::spawn(inserts.run(begun.collect(), lines));
    Ok(([(header::CONTENT_TYPE, layout.media())], body).into_response())
}

/// A request whose rows are being written.
struct Inserts {
    desk: Desk,
    source: Arc<Source>,
    layout: Layout,
    out: Sender<Bytes>,
    /// How many rows were answered.
    seq: usize,
}

impl Inserts {
    async fn run(mut self, begun: Vec<Vec<u8>>, mut lines: Lines) {
        let mut next = Ok(begun);
        let mut is_open = true;
        while is_open {
            let answers;
            (answers, is_open) = match next {
                Ok(rows) => self.written(rows).await,
                Err(problem) => (vec![refusal(self.seq, &problem)], false),
            };
            // Who does not hear what became of a row sends no more for nothing.
            if self.tell(&answers).await.is_err() {
                return;
            }
            next = if is_open { lines.next().await } else { Ok(Vec::new()) };
            is_open = !matches!(&next, Ok(rows) if rows.is_empty());
        }
        if self.is_array() {
            let end = if self.seq == 0 { "[]" } else { "]" };
            let _ = self.out.send(end.into()).await;
        }
    }

    fn is_array(&self) -> bool {
        matches!(self.layout, Layout::Array | Layout::Objects)
    }

    /// Writes rows up to one that can't be written; what became of each, and whether there may be more.
    async fn written(&self, rows: Vec<Vec<u8>>) -> (Vec<Value>, bool) {
        let (source, first) = (self.source.clone(), self.seq);
        let work = apart(&self.desk, move |desk| {
            let mut answers = Vec::new();
            for (seq, line) in (first..).zip(&rows) {
                match row(&desk, &source, line) {
                    Ok(()) => answers.push(json!({"status": "ok", "seq": seq})),
                    Err(problem) => {
                        answers.push(refusal(seq, &problem));
                        return (answers, false);
                    }
                }
            }
            (answers, true)
        });
        work.await.unwrap_or_else(|problem| (vec![refusal(first, &problem)], false))
    }

    async fn tell(&mut self, answers: &[Value]) -> Result<(), SendError<Bytes>> {
        let mut said = String::new();
        for answer in answers {
            match (self.is_array(), self.seq) {
                (true, 0) => said += &format!("[{answer}"),
                (true, _) => said += &format!(",{answer}"),
                (false, _) => said += &format!("{answer}\n"),
            }
            self.seq += 1;
        }
        if said.is_empty() { Ok(()) } else { self.out.send(said.into()).await }
    }
}

fn refusal(seq: usize, problem: &Problem) -> Value {
    json!({"status": "error", "seq": seq, "error_code": problem.code(), "message": problem.message()})
}

/// A name in quotes as it is; another one in capitals.
fn folded(name: &str) -> String {
    let quoted = name.strip_prefix('`').and_then(|rest| rest.strip_suffix('`'));
    quoted.map_or_else(|| name.to_uppercase(), |quoted| quoted.replace("``", "`"))
}

fn row(desk: &Desk, source: &Source, line: &[u8]) -> Result<(), Problem> {
    let object: BTreeMap<String, &RawValue> = serde_json::from_slice(line)
        .map_err(|error| Problem::request(format!("a row is an object, and this is none: {error}")))?;
    let mut columns = Vec::new();
    for (name, value) in object {
        let name = folded(&name);
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

/// A JSON value as an expression of the language; numbers with all their digits.
fn expression(value: &RawValue, ty: &Type) -> String {
    let given = value.get();
    match serde_json::from_str(given).unwrap_or(Value::Null) {
        Value::Null => cast("NULL", ty),
        Value::String(text) => match ty {
            Type::String => quoted(&text),
            Type::Bytes => format!("TO_BYTES({}, 'base64')", quoted(&text)),
            _ => cast(&quoted(&text), ty),
        },
        Value::Bool(_) | Value::Number(_) => match ty {
            Type::String => quoted(given),
            Type::Double | Type::Decimal { .. } => cast(&quoted(given), ty),
            _ => given.to_owned(),
        },
        Value::Array(_) => match ty {
            Type::Array(of) => array(&inside::<Vec<_>>(value), of),
            _ => quoted(given),
        },
        Value::Object(_) => match ty {
            Type::Map(_, of) => map(&inside(value), of),
            Type::Struct(fields) => structure(&inside(value), fields),
            _ => quoted(given),
        },
    }
}

/// What is in a list or an object; it was read before.
fn inside<'v, T: Deserialize<'v> + Default>(value: &'v RawValue) -> T {
    serde_json::from_str(value.get()).unwrap_or_default()
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn cast(text: &str, ty: &Type) -> String {
    format!("CAST({text} AS {})", type_text(ty))
}

/// What is empty has no element that tells its type, so all are taken from one that has.
fn array(values: &[&RawValue], of: &Type) -> String {
    if values.is_empty() {
        return format!("FILTER(ARRAY[{}], x => FALSE)", cast("NULL", of));
    }
    list("ARRAY[", values.iter().map(|each| expression(each, of)), "]")
}

fn map(entries: &BTreeMap<String, &RawValue>, of: &Type) -> String {
    if entries.is_empty() {
        return format!("FILTER(MAP('' := {}), (k, v) => FALSE)", cast("NULL", of));
    }
    let entry = |(name, each): (&String, &&RawValue)| format!("{} := {}", quoted(name), expression(each, of));
    list("MAP(", entries.iter().map(entry), ")")
}

fn structure(given: &BTreeMap<String, &RawValue>, fields: &[Column]) -> String {
    let field = |field: &Column| {
        let found = given.iter().find(|(name, _)| folded(name) == field.name);
        let value = found.map_or_else(|| cast("NULL", &field.ty), |(_, value)| expression(value, &field.ty));
        format!("`{}` := {value}", field.name.replace('`', "``"))
    };
    list("STRUCT(", fields.iter().map(field), ")")
}

fn list(open: &str, parts: impl Iterator<Item = String>, close: &str) -> String {
    format!("{open}{}{close}", parts.collect::<Vec<_>>().join(", "))
}
