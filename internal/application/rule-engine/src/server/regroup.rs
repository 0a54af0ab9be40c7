use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{Groups, PortError, Topics, World};

use super::Inner;
use super::book::{Book, QueryEntry};
use super::group_entry::{Deed, GroupEntry, Settled};
use super::shared_groups::{Gathering, SharedGroup, alike_by, may_share};
use crate::deploy::named;
use crate::lower::group_of;
use crate::shared::{Begins, reads_of};

/// Time between two looks whether there is something to do.
const PACE: Duration = Duration::from_millis(100);

/// How long after they are to rest groups are asked where they are: a server that has not heard of it may be about to join one.
const QUIET: Duration = Duration::from_millis(300);

/// How many groups are asked at once.
const ASKED_AT_ONCE: usize = 16;

/// By when each server has heard that a group has been left.
const HEARD_BY: Duration = Duration::from_mins(10);

/// How long queries may stand still until it is told, and told again.
const LATE: Duration = Duration::from_mins(1);

/// How many intervals a server waits that had queries when it started: they have members still if it was killed, and whoever
/// gathers them would wait until these are missed.
const AFTER_START: u32 = 10;

/// Up to how much later a server settles what another may be settling already.
const LATER_MS: u64 = 500;

/// How long a topic's name may be in that of a group.
const NAME_MAX: usize = 120;

/// Queries that could share a group.
#[derive(Default)]
struct Alike {
    /// In how many groups they are now.
    parts: usize,
    queries: BTreeSet<String>,
    /// Some of them are on their way, and waited for.
    waits: bool,
}

type Positions = BTreeMap<Partition, Offset>;

/// Has queries that read the same share consumer groups, and says where each begins in its group.
pub(super) struct Regrouper<W: World> {
    inner: Arc<Inner<W>>,
    /// The groups that gather, and since when they could be settled.
    due: BTreeMap<String, Instant>,
    /// By group that gathers, where the groups that it gathers from read on, of which none has members any more.
    asked: BTreeMap<String, BTreeMap<String, Begins>>,
    /// When queries may next be put together.
    next: Option<Instant>,
    /// When it was last told that some stand still.
    told: Option<Instant>,
    /// Groups that queries have left, and when.
    left: Vec<(String, Instant)>,
}

impl<W: World + Topics + Groups> Regrouper<W> {
    pub(super) fn new(inner: Arc<Inner<W>>) -> Self {
        let interval = inner.settings.share_interval;
        let has_queries = !inner.book().queries.is_empty();
        let next = interval
            .map(|interval| Instant::now() + if has_queries { interval * AFTER_START } else { interval });
        Self { inner, due: BTreeMap::new(), asked: BTreeMap::new(), next, told: None, left: Vec::new() }
    }

    /// Until the server stops.
    pub(super) fn run(mut self) {
        while !self.inner.stop.is_set() {
            thread::sleep(PACE);
            if let Err(error) = self.step() {
                tracing::debug!(%error, "queries can't be given their groups now");
            }
        }
    }

    fn step(&mut self) -> Result<(), PortError> {
        let gathering: Vec<_> = {
            let book = self.inner.book();
            let gathers = |(_, group): &(&String, &Arc<SharedGroup>)| group.gathering.is_some();
            book.shared.iter().filter(gathers).map(|(id, group)| (id.clone(), group.clone())).collect()
        };
        let is_there = |id: &String| gathering.iter().any(|(known, _)| known == id);
        self.asked.retain(|id, _| is_there(id));
        for (id, group) in &gathering {
            let later = || QUIET + Duration::from_millis(RandomState::new().hash_one(id) % LATER_MS);
            let due = *self.due.entry(id.clone()).or_insert_with(|| Instant::now() + later());
            if due <= Instant::now() {
                let waits_for = self.settle(id, group).map_or_else(
                    |error| error.to_string(),
                    |()| {
                        "members of the groups that they were in, one of which may have been killed"
                            .to_owned()
                    },
                );
                self.tell_late(id, due, &waits_for);
            }
        }
        self.due.retain(|id, _| is_there(id));
        let unfit = self.inner.crew().unfit();
        for (id, queries) in unfit {
            let is_settled =
                |book: &Book| book.shared.get(&id).is_some_and(|group| group.gathering.is_none());
            tracing::warn!(group = id, ?queries, "queries leave the group that they keep from going on");
            self.write(&id, Deed::Part(queries), is_settled)?;
        }
        if self.next.is_some_and(|next| next <= Instant::now()) {
            self.next = self.inner.settings.share_interval.map(|interval| Instant::now() + interval);
            self.forget();
            self.level()?;
            self.propose()?;
        }
        Ok(())
    }

    fn tell_late(&mut self, id: &str, due: Instant, waits_for: &str) {
        if due.elapsed() > LATE && self.told.is_none_or(|told| told.elapsed() > LATE) {
            tracing::warn!(group = id, waits_for, "queries stand still until they can have their group");
            self.told = Some(Instant::now());
        }
    }

    /// Says where queries begin in their group, once none of the groups that they were in has members.
    fn settle(&mut self, id: &str, group: &SharedGroup) -> Result<(), PortError> {
        let Some(gathering) = &group.gathering else { return Ok(()) };
        let topics = self.topics(gathering)?;
        if !self.ask(id, gathering, &topics)? {
            return Ok(());
        }
        let mut begins = self.begins(id, gathering, &topics)?;
        let mut of = |query: &String| (query.clone(), begins.remove(query).unwrap_or_default());
        let members = group.members.keys().map(&mut of).collect();
        let leaving = gathering.leaving.iter().map(&mut of).collect();
        tracing::info!(group = id, queries = group.members.len(), "queries share a group");
        let settled = Deed::Settle(Settled { members, leaving });
        self.write(id, settled, |book| book.shared.get(id).is_some_and(|known| **known == *group))?;
        let left = gathering.groups().into_iter().map(|group| (group.to_owned(), Instant::now()));
        self.left.extend(left);
        Ok(())
    }

    /// Has the brokers forget groups that nobody is in any more: to those who look after lags they would seem to have stopped. Not at
    /// once, for a server that was held up may not have heard yet that it is in another.
    fn forget(&mut self) {
        let is_due = |(_, since): &(String, Instant)| since.elapsed() > HEARD_BY;
        let due: Vec<_> = self.left.extract_if(.., |left| is_due(left)).map(|(group, _)| group).collect();
        if due.is_empty() {
            return;
        }
        let used: BTreeSet<_> = {
            let book = self.inner.book();
            let alone = book.queries.values().filter(|query| book.group_with(&query.id).is_none());
            let from = book.shared.values().filter_map(|group| group.gathering.as_ref());
            let from = from.flat_map(|gathering| gathering.groups().into_iter().map(ToOwned::to_owned));
            let own = alone.map(|query| group_of(&query.rule.name));
            own.chain(book.shared.keys().cloned()).chain(from).collect()
        };
        for group in due.iter().filter(|group| !used.contains(*group)) {
            if let Err(error) = self.inner.world.forget(group) {
                tracing::debug!(group, %error, "a group that nobody is in stays known");
            }
        }
    }

    /// What the queries read; all of them read the same.
    fn topics(&self, gathering: &Gathering) -> Result<Vec<TopicName>, PortError> {
        let book = self.inner.book();
        let first = gathering.from.keys().find_map(|query| book.queries.get(query));
        let topics = first.map(|query| reads_of(&query.rule).topics).unwrap_or_default();
        topics.iter().map(|topic| named(topic)).collect()
    }

    /// Asks each group that a group gathers from where it reads on, once it has no members, and answers whether all have said so.
    fn ask(&mut self, id: &str, gathering: &Gathering, topics: &[TopicName]) -> Result<bool, PortError> {
        let journal = named(&self.inner.settings.journal_topic())?;
        let asked = self.asked.entry(id.to_owned()).or_default();
        let open: Vec<_> =
            gathering.groups().into_iter().filter(|group| !asked.contains_key(*group)).collect();
        let world = &self.inner.world;
        let ask = |group: &str| {
            if !world.rests(group, &journal)? {
                return Ok(None);
            }
            let positions = |topic: &TopicName| {
                let positions = world.positions(group, topic)?.into_iter().collect();
                Ok((topic.as_str().to_owned(), positions))
            };
            topics.iter().map(positions).collect::<Result<Begins, PortError>>().map(Some)
        };
        for some in open.chunks(ASKED_AT_ONCE) {
            let answers: Vec<_> = thread::scope(|scope| {
                let asking: Vec<_> = some.iter().map(|group| scope.spawn(|| ask(group))).collect();
                asking.into_iter().map(thread::ScopedJoinHandle::join).collect()
            });
            for (group, answer) in some.iter().zip(answers) {
                let answer = answer.map_err(|_| PortError::stop("a question panicked"))?;
                asked.extend(answer?.map(|positions| ((*group).to_owned(), positions)));
            }
        }
        Ok(gathering.groups().into_iter().all(|group| asked.contains_key(group)))
    }

    /// The offset up to which each query has worked on each partition; none where it has committed none, or there is no such
    /// topic any more.
    fn begins(
        &self,
        id: &str,
        gathering: &Gathering,
        topics: &[TopicName],
    ) -> Result<BTreeMap<String, Begins>, PortError> {
        let found = self.inner.world.describe_topics(topics)?;
        let there: Vec<_> = topics.iter().zip(found).filter(|(_, found)| found.is_some()).collect();
        let mut all = BTreeMap::new();
        for (query, origin) in &gathering.from {
            let at = self.asked.get(id).and_then(|asked| asked.get(&origin.group));
            let mut begins = Begins::new();
            for (topic, _) in &there {
                let mut own = origin.begins.get(topic.as_str()).cloned().unwrap_or_default();
                for (partition, at) in at.and_then(|at| at.get(topic.as_str())).into_iter().flatten() {
                    let begin = own.entry(*partition).or_insert(*at);
                    *begin = (*begin).max(*at);
                }
                begins.insert(topic.as_str().to_owned(), own);
            }
            all.insert(query.clone(), begins);
        }
        Ok(all)
    }

    /// Where a group reads on in a topic; nowhere where there is no such topic.
    fn positions(&self, group: &str, topic: &str) -> Result<Positions, PortError> {
        let (world, name) = (&self.inner.world, named(topic)?);
        if world.describe_topics(std::slice::from_ref(&name))?.iter().all(Option::is_none) {
            return Ok(Positions::new());
        }
        Ok(world.positions(group, &name)?.into_iter().collect())
    }

    /// Says that queries need no more be told from where they began, once their group has come as far. What a topic was deleted
    /// with has no beginning any more: the next one of its name counts anew.
    fn level(&self) -> Result<(), PortError> {
        let uneven: Vec<_> = {
            let book = self.inner.book();
            let is_uneven = |(_, group): &(&String, &Arc<SharedGroup>)| group.is_uneven();
            book.shared.iter().filter(is_uneven).map(|(id, group)| (id.clone(), group.clone())).collect()
        };
        for (id, group) in uneven {
            if self.inner.crew().lacks_topic(&id) || self.is_level(&id, &group)? {
                let members = group.members.keys().map(|query| (query.clone(), Begins::new())).collect();
                let level = Deed::Settle(Settled { members, ..Settled::default() });
                self.write(&id, level, |book| book.shared.get(&id) == Some(&group))?;
            }
        }
        Ok(())
    }

    fn is_level(&self, id: &str, group: &SharedGroup) -> Result<bool, PortError> {
        let mut at = BTreeMap::new();
        for (topic, begins) in group.members.values().flatten() {
            if !at.contains_key(topic) {
                at.insert(topic.clone(), self.positions(id, topic)?);
            }
            let at = at.get(topic);
            let is_there =
                |(partition, begin)| at.and_then(|at| at.get(partition)).is_some_and(|at| at >= begin);
            if !begins.iter().all(is_there) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Has queries that have caught up share a group, with those that share one already.
    fn propose(&mut self) -> Result<(), PortError> {
        let Some(interval) = self.inner.settings.share_interval else { return Ok(()) };
        for (topics, queries) in self.together(interval) {
            let id = self.group_name(&topics, self.inner.progress.applied());
            let is_new = |book: &Book| !book.shared.contains_key(&id);
            self.write(&id, Deed::Gather(queries), is_new)?;
            self.due.insert(id, Instant::now() + QUIET);
        }
        Ok(())
    }

    /// Queries that are alike and not all in one group, with the topics that they read.
    fn together(&self, interval: Duration) -> Vec<(Vec<String>, BTreeSet<String>)> {
        let book = self.inner.book();
        let crew = self.inner.crew();
        let mut all = BTreeMap::<_, Alike>::new();
        let is_ready = |query: &QueryEntry| {
            !query.is_paused && may_share(&query.rule) && crew.is_steady(query, interval)
        };
        let alone = book.queries.values().filter(|query| book.group_with(&query.id).is_none());
        for query in alone.filter(|query| is_ready(query)) {
            let alike = all.entry(alike_by(&query.rule)).or_default();
            alike.parts += 1;
            alike.queries.insert(query.id.clone());
        }
        for group in book.shared.values() {
            let known = group.members.keys().filter_map(|id| book.queries.get(id));
            let Some(first) = known.clone().next() else { continue };
            let alike = all.entry(alike_by(&first.rule)).or_default();
            alike.waits |= group.gathering.is_some();
            if known.count() > 1 || is_ready(first) {
                alike.parts += 1;
                alike.queries.extend(group.members.keys().cloned());
            }
        }
        let split = all.into_iter().filter(|(_, alike)| alike.parts > 1 && !alike.waits);
        split.map(|((reads, _), alike)| (reads.topics, alike.queries)).collect()
    }

    fn group_name(&self, topics: &[String], place: i64) -> String {
        let topics: String = topics.join("-and-").chars().take(NAME_MAX).collect();
        format!("rules-{}-on-{topics}-{place}", self.inner.settings.service_id.to_lowercase())
    }

    /// Writes an entry to the journal, unless the book has changed until it can be written.
    fn write(&self, id: &str, deed: Deed, still: impl FnOnce(&Book) -> bool) -> Result<(), PortError> {
        let inner = &self.inner;
        let mut writer = inner.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let end = writer.end()?;
        if inner.progress.await_applied(end, inner.settings.answer_wait).is_err() || !still(&inner.book()) {
            return Ok(());
        }
        let entry = GroupEntry::new(id, inner.progress.applied(), deed);
        let written = writer.append(&entry.key, Some(&entry.value()), &entry.headers())?;
        if inner.progress.await_applied(written.next(), inner.settings.answer_wait).is_ok() {
            inner.tidy(&mut writer)?;
        }
        Ok(())
    }
}
