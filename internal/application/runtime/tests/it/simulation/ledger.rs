//! The group that is simulated: it enters every record of two inputs in a list a key, and each third of one input in that of
//! another key by a loop. Some records are deferred until somebody answers, some set timers that make entries of their own,
//! and visits enter their number in all lists. It tells each entry and its place in the list. Callbacks fail by chance.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use millstream_model::Timestamp;
use millstream_ports::Utf8;
use millstream_runtime::{
    CallbackResult, Completion, Context, GroupGraph, Loop, Output, Policies, Policy, Retry, Table, Timer,
    Visitor, When,
};
use millstream_sim::Chance;

pub const GROUP: &str = "ledger";
pub const KEYS: usize = 7;
pub const PARTITIONS: u32 = 3;

pub fn key(number: usize) -> String {
    format!("k{}", number % KEYS)
}

/// Where the loop enters record `id` of key `key`.
pub fn looped_key(id: usize) -> Option<String> {
    id.is_multiple_of(3).then(|| key(id / 3))
}

/// What records of `b` wait for an answer.
pub fn is_deferred(id: usize) -> bool {
    id % 4 == 1
}

/// What records of `a` set a timer by the clock, and by event time.
pub fn sets_wall(id: usize) -> bool {
    id % 5 == 2
}

pub fn sets_event(id: usize) -> bool {
    id % 5 == 4
}

/// What is outside of the group, beside the world.
pub struct Outside {
    chance: Chance,
    /// How often in a thousand a callback fails.
    pub flaky: u32,
    /// Answers that are awaited.
    pub awaited: Vec<Completion<()>>,
}

pub type Shared = Arc<Mutex<Outside>>;

pub fn outside(seed: u64) -> Shared {
    Arc::new(Mutex::new(Outside { chance: Chance::new(seed), flaky: 0, awaited: Vec::new() }))
}

pub fn visitor() -> Visitor<Utf8, usize> {
    Visitor::new("visit", Utf8)
}

fn fail_by_chance(outside: &Shared) -> CallbackResult {
    let mut outside = outside.lock().unwrap();
    let flaky = outside.flaky;
    if outside.chance.hits(flaky) { Err("it is flaky".into()) } else { Ok(()) }
}

fn enter(context: &mut Context<'_>, key: &str, entry: &str) -> CallbackResult {
    let (table, out) = (Table::new(Utf8), Output::new("out", Utf8, Utf8));
    let before = context.get_at(&table, key.as_bytes())?.map(ToOwned::to_owned);
    let list = before.map_or_else(|| entry.to_owned(), |before| format!("{before},{entry}"));
    context.set_at(&table, key.as_bytes(), &list.as_str())?;
    let place = list.split(',').count();
    Ok(context.emit(&out, &key, &format!("{place}:{entry}").as_str())?)
}

/// Sets a timer under a key of its own, which names the entry that it makes.
fn set_timers(context: &mut Context<'_>, key: &str, id: usize) -> CallbackResult {
    let after = |time: Timestamp| Timestamp(time.0 + i64::try_from(id % 7 * 40).unwrap());
    if sets_wall(id) {
        let when = When::WallClock(after(context.now()));
        context.schedule_at(&Timer::new("wall", Utf8), format!("{key}/w{id}").as_bytes(), when)?;
    }
    if sets_event(id) {
        let when = When::EventTime(after(context.timestamp()));
        context.schedule_at(&Timer::new("event", Utf8), format!("{key}/e{id}").as_bytes(), when)?;
    }
    Ok(())
}

fn entered_by_timer(context: &mut Context<'_>, place: &str) -> CallbackResult {
    let (key, entry) = place.split_once('/').ok_or("no such place")?;
    enter(context, key, entry)
}

pub fn graph(outside: &Shared) -> GroupGraph {
    let (table, out, again) = (Table::new(Utf8), Output::new("out", Utf8, Utf8), Loop::new(Utf8, Utf8));
    let (sent, asked, flaky) = (again.clone(), outside.clone(), outside.clone());
    let (wall, event) = (Timer::new("wall", Utf8), Timer::new("event", Utf8));
    let retry = Retry {
        limit: None,
        first_wait: Duration::from_millis(20),
        wait_max: Duration::from_millis(100),
        ..Retry::default()
    };
    GroupGraph::define(GROUP)
        .input("a", Utf8, Utf8, move |context, key: &str, id: &str| {
            if id == "flush" {
                return Ok(());
            }
            if let Some(other) = looped_key(id.parse()?) {
                context.loopback(&sent, &other.as_str(), &id)?;
            }
            set_timers(context, key, id.parse()?)?;
            enter(context, key, &format!("a{id}"))
        })
        .input("b", Utf8, Utf8, move |context, key: &str, id: &str| {
            let (entry, key) = (format!("b{id}"), key.to_owned());
            if !is_deferred(id.parse()?) {
                return enter(context, &key, &entry);
            }
            let completion = context.defer(move |context, ()| enter(context, &key, &entry))?;
            asked.lock().unwrap().awaited.push(completion);
            Ok(())
        })
        .loopback(&again, |context, key: &str, id: &str| enter(context, key, &format!("l{id}")))
        .timer(&wall, entered_by_timer)
        .timer(&event, entered_by_timer)
        .visitor(&visitor(), |context, key: &str, number: &usize| enter(context, key, &format!("v{number}")))
        .around(move |context, next| {
            next.run(context)?;
            fail_by_chance(&flaky)
        })
        .persist(&table)
        .output(&out)
        .policies(Policies { callback: Policy::Retry(retry), ..Policies::default() })
        .build()
        .unwrap()
}
