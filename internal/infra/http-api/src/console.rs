//! The console: a page that shows what groups do, and the JSON that it is drawn from.

mod assets;
mod groups;

use std::sync::{Arc, PoisonError, RwLock};

use axum::extract::rejection::{JsonRejection, QueryRejection};
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use millstream_model::{Headers, Offset, Partition};
use millstream_runtime::{Owners, Status};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::problem::Problem;
use crate::tables::{PASSED_ON, Peers};

pub(crate) use assets::router as assets;

/// Dead letters that are told unless asked for more, and at most.
const LETTERS: usize = 100;
const LETTERS_MAX: usize = 1_000;

/// A group that the console shows.
#[derive(Clone)]
pub struct WatchedGroup {
    /// What this process does of it.
    pub status: Arc<Status>,
    /// Where its other instances are; `None` shows this one alone.
    pub owners: Option<Arc<Owners>>,
}

/// A text that can be read and set, such as a filter. Both may take a moment.
pub trait FilterControl: Send + Sync {
    /// The filter that holds now.
    ///
    /// # Errors
    /// When it can't be read: a sentence that says why.
    fn read(&self) -> Result<String, String>;

    /// Sets it, and waits until it holds here.
    ///
    /// # Errors
    /// When it can't be set or did not take hold: a sentence that says why.
    fn set(&self, text: &str) -> Result<(), String>;
}

/// A record that was set aside, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// The partition of the dead-letter topic.
    pub partition: Partition,
    /// Its offset there.
    pub offset: Offset,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Where it came from and what was wrong with it, among the headers it had.
    pub headers: Headers,
}

/// The records that were set aside. Asking may take a moment.
pub trait DeadLetters: Send + Sync {
    /// The newest ones first, up to `limit`.
    ///
    /// # Errors
    /// When they can't be read: a sentence that says why.
    fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, String>;

    /// Whether [`DeadLetters::replay`] can be asked for.
    fn can_replay(&self) -> bool;

    /// Sends one back to where it came from.
    ///
    /// # Errors
    /// When it can't be: a sentence that says why.
    fn replay(&self, partition: Partition, offset: Offset) -> Result<(), String>;
}

/// A rule as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownRule {
    /// Its name.
    pub name: String,
    /// The consumer group that it runs in.
    pub group: String,
    /// What it is doing, in a word.
    pub state: String,
    /// Why it is not running.
    pub reason: Option<String>,
    /// Rows written since it was started here.
    pub rows: u64,
    /// Times that it could not work on a record.
    pub failed: u64,
    /// Values that could not be worked out.
    pub nulls: u64,
    /// Its steps, a line each; empty where they are asked for elsewhere.
    pub plan: String,
}

/// The rules that run here.
pub trait RuleList: Send + Sync {
    /// All of them as of now.
    fn list(&self) -> Vec<ShownRule>;
}

/// What the page shows. A cheap handle: parts may be added once there are any.
#[derive(Clone)]
pub struct Console(Arc<RwLock<Shown>>);

#[derive(Clone)]
struct Shown {
    program: String,
    groups: Vec<WatchedGroup>,
    filter: Option<Arc<dyn FilterControl>>,
    letters: Option<Arc<dyn DeadLetters>>,
    rules: Option<Arc<dyn RuleList>>,
    has_tables: bool,
    peers: Peers,
}

impl Console {
    /// A console of `program`, which shows nothing yet; `peers` asks other instances.
    pub fn new(program: &str, peers: Peers) -> Self {
        let (groups, filter, letters, rules) = (Vec::new(), None, None, None);
        let program = program.to_owned();
        Self(Arc::new(RwLock::new(Shown {
            program,
            groups,
            filter,
            letters,
            rules,
            has_tables: false,
            peers,
        })))
    }

    /// Shows a group from now on, in the place of one of the same name.
    pub fn watch(&self, group: WatchedGroup) {
        self.change(|shown| {
            shown.groups.retain(|other| other.status.group() != group.status.group());
            shown.groups.push(group);
        });
    }

    /// Shows a group no more.
    pub fn forget(&self, group: &str) {
        self.change(|shown| shown.groups.retain(|other| other.status.group() != group));
    }

    /// Shows the tables that the same server answers for.
    pub fn browse_tables(&self) {
        self.change(|shown| shown.has_tables = true);
    }

    /// Lets people set a filter.
    pub fn filter(&self, filter: Arc<dyn FilterControl>) {
        self.change(|shown| shown.filter = Some(filter));
    }

    /// Shows dead letters.
    pub fn dead_letters(&self, letters: Arc<dyn DeadLetters>) {
        self.change(|shown| shown.letters = Some(letters));
    }

    /// Shows rules.
    pub fn rules(&self, rules: Arc<dyn RuleList>) {
        self.change(|shown| shown.rules = Some(rules));
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }

    fn shown(&self) -> Shown {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The console's part of a server that tells of data.
pub(crate) fn router(console: Console) -> Router {
    Router::new()
        .route("/v1/console", get(about))
        .route("/v1/groups", get(groups))
        .route("/v1/rules", get(rules))
        .route("/v1/filter", get(read_filter).put(set_filter))
        .route("/v1/dead-letters", get(letters))
        .route("/v1/dead-letters/replay", post(replay))
        .with_state(console)
}

async fn about(State(console): State<Console>) -> Json<Value> {
    let shown = console.shown();
    let can_replay = shown.letters.as_ref().is_some_and(|letters| letters.can_replay());
    let parts = [
        ("tables", shown.has_tables),
        ("filter", shown.filter.is_some()),
        ("dead-letters", shown.letters.is_some()),
        ("replay", can_replay),
        ("rules", shown.rules.is_some()),
    ];
    let parts: Vec<_> = parts.into_iter().filter(|(_, has)| *has).map(|(name, _)| name).collect();
    Json(json!({"program": shown.program, "version": env!("CARGO_PKG_VERSION"), "parts": parts}))
}

async fn groups(State(console): State<Console>, headers: HeaderMap) -> Json<Value> {
    let shown = console.shown();
    let others = !headers.contains_key(PASSED_ON);
    Json(json!({"groups": groups::told(&shown.groups, &shown.peers, others).await}))
}

async fn rules(State(console): State<Console>) -> Result<Json<Value>, Problem> {
    let rules = console.shown().rules.ok_or_else(|| none("list of rules"))?;
    let list = aside(move || Ok(rules.list())).await?;
    Ok(Json(json!({"rules": list.iter().map(rule).collect::<Vec<_>>()})))
}

fn rule(rule: &ShownRule) -> Value {
    let ShownRule { name, group, state, reason, rows, failed, nulls, plan } = rule;
    json!({
        "rule": name, "group": group, "state": state, "reason": reason,
        "rows_out": rows, "failed": failed, "nulls": nulls, "plan": plan,
    })
}

async fn read_filter(State(console): State<Console>) -> Result<Json<Value>, Problem> {
    let filter = console.shown().filter.ok_or_else(|| none("filter"))?;
    Ok(Json(json!({"text": aside(move || filter.read()).await?})))
}

#[derive(Deserialize)]
struct Text {
    text: String,
}

async fn set_filter(
    State(console): State<Console>,
    given: Result<Json<Text>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let filter = console.shown().filter.ok_or_else(|| none("filter"))?;
    let Json(Text { text }) = given.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let now = aside(move || filter.set(&text).and_then(|()| filter.read())).await?;
    Ok(Json(json!({"text": now})))
}

#[derive(Deserialize)]
struct Limit {
    limit: Option<usize>,
}

async fn letters(
    State(console): State<Console>,
    given: Result<Query<Limit>, QueryRejection>,
) -> Result<Json<Value>, Problem> {
    let letters = console.shown().letters.ok_or_else(|| none("list of dead letters"))?;
    let Query(Limit { limit }) = given.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    let found = aside(move || letters.list(limit.unwrap_or(LETTERS).min(LETTERS_MAX))).await?;
    Ok(Json(json!({"dead_letters": found.iter().map(letter).collect::<Vec<_>>()})))
}

fn letter(letter: &DeadLetter) -> Value {
    let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(String::from_utf8_lossy).map(String::from);
    let mut headers = serde_json::Map::new();
    millstream_model::HeaderSource::each(&letter.headers, &mut |name, value| {
        headers.insert(name.to_owned(), json!(value.map(String::from_utf8_lossy)));
    });
    json!({
        "partition": letter.partition.index(),
        "offset": letter.offset.0,
        "key": text(&letter.key),
        "value": text(&letter.value),
        "headers": headers,
    })
}

#[derive(Deserialize)]
struct Place {
    partition: u32,
    offset: i64,
}

async fn replay(
    State(console): State<Console>,
    given: Result<Json<Place>, JsonRejection>,
) -> Result<Json<Value>, Problem> {
    let letters = console.shown().letters.filter(|letters| letters.can_replay());
    let letters = letters.ok_or_else(|| none("way to replay dead letters"))?;
    let Json(place) = given.map_err(|rejection| Problem::bad(rejection.body_text()))?;
    aside(move || letters.replay(Partition::new(place.partition), Offset(place.offset))).await?;
    Ok(Json(json!({"replayed": true})))
}

fn none(what: &str) -> Problem {
    Problem::missing("no_such_part", format!("this program has no {what}"))
}

/// Does what may take a moment beside the thread that serves.
async fn aside<T: Send + 'static>(
    act: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Problem> {
    let done = spawn_blocking(act).await;
    let lost = || Problem::unavailable("unavailable", "the request was lost");
    done.map_err(|_| lost())?.map_err(|why| Problem::unavailable("unavailable", why))
}
