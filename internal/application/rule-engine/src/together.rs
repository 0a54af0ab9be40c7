//! Deploys many rules at once, those that can in groups that they share.

use std::collections::{BTreeMap, BTreeSet};

use millstream_ports::{Delivery, Groups, PortError, TopicSpec, World};
use millstream_runtime::Processor;
use millstream_sql::{Guarantee, OnError, Rule, Shape, Verdict};

use crate::deploy::{DeployError, Engine, RunningRule, delivered, named};
use crate::journal::{self, Journal, Notes};
use crate::lower::group_of;
use crate::members::{Candidate, Group, Sharing, sharing};
use crate::shared::{Begins, Joining, can_share, reads_of, share};

impl<W: World + Groups> Engine<W> {
    /// As [`Engine::deploy`], for all rules of a program. Rules over the same topics share a group: one consumer, one
    /// producer, one table, and each record decoded once; those that keep something do it apart from those that do not. A rule
    /// that has run by itself goes on so, and groups stay together from one start to the next.
    ///
    /// # Errors
    /// As [`Engine::deploy`]; also when another program still runs rules in a group that this one is to run without them.
    pub fn deploy_all(&self, rules: Vec<Rule>) -> Result<Vec<RunningRule>, DeployError> {
        self.prepare_topics(&rules)?;
        let of_all = |source| refused("of this program", source);
        let journal = Journal::read(&self.world).map_err(of_all)?;
        let groups = self.world.groups().map_err(of_all)?;
        let changes = changes(&rules, &journal, &groups)?;
        let plan = self.sharing(&rules, &journal, &groups).map_err(of_all)?;
        self.remember(&rules, &journal, &plan).map_err(of_all)?;
        let mut by_name: BTreeMap<String, Rule> =
            rules.iter().map(|rule| (rule.name.clone(), rule.clone())).collect();
        let mut running = Vec::new();
        for group in &plan.groups {
            let members = group.rules.keys().filter_map(|name| by_name.remove(name)).collect();
            running.push(self.deploy_group(group, members)?);
        }
        for rule in rules.into_iter().filter(|rule| by_name.contains_key(&rule.name)) {
            if rule.is_from_end {
                self.place_at_ends(&rule)?;
            }
            running.push(self.deploy_prepared(rule)?);
        }
        for running in &mut running {
            let of = |name: &String| Some((name.clone(), changes.get(name)?.clone()));
            running.changes = running.rules.iter().filter_map(of).collect();
        }
        Ok(running)
    }

    fn sharing(
        &self,
        rules: &[Rule],
        journal: &Journal,
        groups: &BTreeMap<String, usize>,
    ) -> Result<Sharing, PortError> {
        let candidate = |rule: &Rule| Candidate {
            name: rule.name.clone(),
            reads: reads_of(rule),
            has_begun: groups.contains_key(&group_of(&rule.name)),
        };
        // A rule that begins at the end has a position of its own, unless it has been with others already.
        let has_company =
            |rule: &Rule| journal.groups.iter().any(|group| group.rules.contains_key(&rule.name));
        // What is exact is told apart; of what is not, all are as the settings have it.
        let is_as_set = |rule: &Rule| {
            rule.guarantee != Some(Guarantee::AtLeastOnce) || self.settings.delivery == Delivery::AtLeastOnce
        };
        let shares =
            |rule: &&Rule| can_share(rule) && is_as_set(rule) && (!rule.is_from_end || has_company(rule));
        let candidates: Vec<_> = rules.iter().filter(shares).map(candidate).collect();
        let plan = sharing(&journal.groups, &candidates);
        for (group, gone) in &plan.gone {
            self.part(group, gone, &plan)?;
        }
        Ok(plan)
    }

    fn remember(&self, rules: &[Rule], journal: &Journal, plan: &Sharing) -> Result<(), PortError> {
        let mut notes = Notes::default();
        for group in plan.groups.iter().filter(|group| !journal.groups.contains(group)) {
            notes.group(group);
        }
        for rule in rules {
            let shape = Shape::of(rule);
            if journal.shapes.get(&rule.name) != Some(&shape) {
                notes.shape(&rule.name, &shape);
            }
        }
        notes.write(&self.world, self.settings.replication)
    }

    /// Rules that are not to run any more leave their group. Should they come back, each goes on from here by itself; one that
    /// kept something in the group's table begins anew.
    fn part(&self, group: &str, gone: &BTreeSet<String>, plan: &Sharing) -> Result<(), PortError> {
        let names = gone.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        if !self.world.rests(group, &journal::topic()?)? {
            return Err(PortError::stop(format!(
                "group '{group}' runs {names} too, and still has members; start with the same rules as they, or stop them first (one that was killed is missed after its session's time-out)"
            )));
        }
        let reads = plan.groups.iter().find(|known| known.id == group).map(|known| &known.reads);
        let Some(reads) = reads.filter(|reads| !reads.keeps) else {
            tracing::warn!(group, rules = names, "rules left their group, and what they kept in it");
            return Ok(());
        };
        for topic in &reads.topics {
            let topic = named(topic)?;
            let positions = self.world.positions(group, &topic)?;
            gone.iter().try_for_each(|rule| self.world.place(&group_of(rule), &topic, &positions))?;
        }
        tracing::info!(group, rules = names, "rules left their group");
        Ok(())
    }

    fn deploy_group(&self, group: &Group, rules: Vec<Rule>) -> Result<RunningRule, DeployError> {
        let refused = |source| refused(&group.id, source);
        if rules.iter().any(|rule| rule.sink.on_error == OnError::DeadLetter) {
            self.create_letters(&[&group.letters]).map_err(refused)?;
        }
        let joining = |rule: Rule| {
            let dead_letters = match rule.sink.on_error {
                OnError::DeadLetter => Some(group.letters.clone()),
                OnError::DeadLetterStream => Some(rule.dead_letters()),
                OnError::Skip | OnError::Fail => None,
            };
            Joining { rule, dead_letters, begins: Begins::new() }
        };
        self.run_together(group, rules.into_iter().map(joining).collect())
    }

    /// Creates what the topics of rules lack that share a group, each with dead letters of its own, and starts them.
    pub(crate) fn deploy_joining(
        &self,
        group: &str,
        letters: &str,
        rules: Vec<Joining>,
    ) -> Result<RunningRule, DeployError> {
        let reads = rules.first().map(|joining| reads_of(&joining.rule)).unwrap_or_default();
        let all: Vec<_> = rules.iter().map(|joining| joining.rule.clone()).collect();
        self.prepare_topics(&all)?;
        let own = rules.iter().filter_map(|joining| joining.dead_letters.as_deref());
        self.create_letters(&own.chain([letters]).collect::<Vec<_>>())
            .map_err(|source| refused(group, source))?;
        let names = rules.iter().map(|joining| joining.rule.name.clone()).zip(0..).collect();
        let group = Group { rules: names, letters: letters.to_owned(), ..Group::new(group, reads) };
        self.run_together(&group, rules)
    }

    /// Starts rules that share a group, whose topics are there.
    pub(crate) fn run_together(
        &self,
        group: &Group,
        rules: Vec<Joining>,
    ) -> Result<RunningRule, DeployError> {
        let refused = |source| refused(&group.id, source);
        let names = group.rules.keys().cloned().collect();
        let guarantee = rules.first().and_then(|joining| joining.rule.guarantee);
        let (graph, figures) = share(group, rules, &self.formats).map_err(refused)?;
        let settings = delivered(&self.settings, guarantee);
        let started = Processor::new(self.world.clone(), graph).settings(settings).start();
        let processor = started
            .map_err(|source| DeployError::Start { rule: group.id.clone(), source: Box::new(source) })?;
        tracing::info!(group = group.id, rules = group.rules.len(), "rules deployed together");
        let numbers = group.rules.iter().map(|(name, number)| (*number, name.clone()));
        let numbers = std::sync::Arc::new(numbers.collect());
        Ok(RunningRule {
            name: group.id.clone(),
            rules: names,
            changes: Vec::new(),
            processor,
            figures,
            numbers,
        })
    }

    /// Creates those of the topics of dead letters that are not there.
    pub(crate) fn create_letters(&self, topics: &[&str]) -> Result<(), PortError> {
        let names = topics.iter().map(|topic| named(topic)).collect::<Result<Vec<_>, _>>()?;
        let found = self.world.describe_topics(&names)?;
        let missing = names.into_iter().zip(found).filter(|(_, found)| found.is_none());
        let spec = |(name, _)| {
            let settings = [("cleanup.policy", "delete"), ("retention.ms", "-1")];
            let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
            TopicSpec { name, partitions: 1, replication: self.settings.replication, settings }
        };
        self.world.create_topics(&missing.map(spec).collect::<Vec<_>>())
    }
}

/// What has changed in rules since they last ran, by rule.
fn changes(
    rules: &[Rule],
    journal: &Journal,
    groups: &BTreeMap<String, usize>,
) -> Result<BTreeMap<String, Verdict>, DeployError> {
    let mut changes = BTreeMap::new();
    for rule in rules {
        let shared = journal.groups.iter().find(|group| group.rules.contains_key(&rule.name));
        let group = shared.map_or_else(|| group_of(&rule.name), |group| group.id.clone());
        let Some(before) = journal.shapes.get(&rule.name).filter(|_| groups.contains_key(&group)) else {
            continue;
        };
        match before.verdict(&Shape::of(rule)) {
            Verdict::Same => {}
            verdict if verdict.keeps_state() => {
                tracing::info!(rule = rule.name, %verdict, "the rule has changed");
                changes.insert(rule.name.clone(), verdict);
            }
            verdict => {
                return Err(DeployError::Changed {
                    rule: rule.name.clone(),
                    group: group_of(&rule.name),
                    verdict,
                    is_shared: shared.is_some(),
                });
            }
        }
    }
    Ok(changes)
}

fn refused(rule: &str, source: PortError) -> DeployError {
    DeployError::Port { rule: rule.to_owned(), source }
}
