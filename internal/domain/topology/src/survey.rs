use std::collections::BTreeMap;
use std::fmt;

use millstream_model::TopicName;
use millstream_ports::{TopicDescription, TopicSpec};

use crate::GroupSpec;

/// What a group's topics are like on the brokers, against what the group needs: which to create, and what is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Internal topics that do not exist yet.
    pub missing: Vec<TopicSpec>,
    /// What a person must mend before the group can start.
    pub faults: Vec<TopicFault>,
    /// How many partitions each topic has, those in `missing` included.
    pub partitions: BTreeMap<TopicName, u32>,
}

/// A topic that does not fit the group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicFault {
    /// The topic.
    pub topic: TopicName,
    /// What is wrong with it.
    pub wrong: String,
    /// The command of Kafka's own tools that mends it.
    pub mend: String,
}

impl fmt::Display for TopicFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic '{}' {}\n    mend it with: {}", self.topic, self.wrong, self.mend)
    }
}

impl Survey {
    /// Compares `spec` with what the brokers `found`.
    pub fn of(spec: &GroupSpec, found: &[TopicDescription], replication: Option<u16>) -> Self {
        let found = found.iter().map(|topic| (&topic.name, topic)).collect();
        let mut survey = Surveyor { spec, found, replication, survey: Self::default() };
        survey.inputs();
        survey.internal();
        survey.others();
        survey.survey
    }

    /// Every topic the survey needs described.
    pub fn topics(spec: &GroupSpec) -> Vec<TopicName> {
        let outputs = spec.outputs.iter().map(|(topic, _)| topic);
        let named = spec.inputs.iter().chain(&spec.changelog).chain(&spec.joins).chain(&spec.lookups);
        let mut all: Vec<_> = named.chain(outputs).chain(&spec.dead_letters).cloned().collect();
        all.sort();
        all.dedup();
        all
    }
}

struct Surveyor<'a> {
    spec: &'a GroupSpec,
    found: BTreeMap<&'a TopicName, &'a TopicDescription>,
    replication: Option<u16>,
    survey: Survey,
}

impl Surveyor<'_> {
    /// Partitions of the first input that exists: what every other partitioned edge is held against.
    fn width(&self) -> u32 {
        let first = self.external_inputs().find_map(|topic| self.found.get(topic));
        first.map_or(1, |topic| topic.partitions)
    }

    fn external_inputs(&self) -> impl Iterator<Item = &TopicName> {
        self.spec.inputs.iter().filter(|topic| Some(*topic) != self.spec.loopback.as_ref())
    }

    fn inputs(&mut self) {
        let topics: Vec<_> = self.external_inputs().chain(&self.spec.joins).cloned().collect();
        for topic in &topics {
            self.existing(topic);
            self.same_width(topic);
        }
    }

    fn others(&mut self) {
        let outputs = self.spec.outputs.iter().map(|(topic, _)| topic);
        let topics: Vec<_> = outputs.chain(&self.spec.lookups).cloned().collect();
        for topic in &topics {
            self.existing(topic);
        }
    }

    fn internal(&mut self) {
        let width = self.width();
        if let Some(changelog) = &self.spec.changelog {
            self.internal_topic(changelog, width, &[("cleanup.policy", "compact")]);
            self.compacted(changelog);
            self.same_width(changelog);
        }
        if let Some(loopback) = &self.spec.loopback {
            self.internal_topic(loopback, width, &[("cleanup.policy", "delete"), ("retention.ms", "-1")]);
            self.same_width(loopback);
        }
        if let Some(dead_letters) = &self.spec.dead_letters {
            self.internal_topic(dead_letters, 1, &[("cleanup.policy", "delete"), ("retention.ms", "-1")]);
        }
    }

    fn internal_topic(&mut self, name: &TopicName, partitions: u32, settings: &[(&str, &str)]) {
        if let Some(topic) = self.found.get(name) {
            self.survey.partitions.insert(name.clone(), topic.partitions);
            return;
        }
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let spec = TopicSpec { name: name.clone(), partitions, replication: self.replication, settings };
        self.survey.missing.push(spec);
        self.survey.partitions.insert(name.clone(), partitions);
    }

    fn existing(&mut self, name: &TopicName) {
        match self.found.get(name) {
            Some(topic) => {
                self.survey.partitions.insert(name.clone(), topic.partitions);
            }
            None => self.fault(
                name,
                "does not exist",
                format!(
                    "kafka-topics.sh --bootstrap-server <brokers> --create --topic {name} --partitions {}",
                    self.width()
                ),
            ),
        }
    }

    fn same_width(&mut self, name: &TopicName) {
        let width = self.width();
        let Some(topic) = self.found.get(name).filter(|topic| topic.partitions != width) else { return };
        let mut wrong = format!(
            "has {} partitions where the first input of group '{}' has {width}; inputs, joined tables, loop and changelog must have equally many",
            topic.partitions, self.spec.group
        );
        let is_table = Some(name) == self.spec.changelog.as_ref();
        let mend = if topic.partitions < width {
            let alter = format!(
                "kafka-topics.sh --bootstrap-server <brokers> --alter --topic {name} --partitions {width}"
            );
            if is_table {
                // Nothing moves what is there already.
                wrong.push_str("; its entries stay where they are, and keys that now go to other partitions would begin without theirs");
                format!(
                    "another name for the group, which then reads its inputs from their beginning; or, where keys may begin anew, {alter}"
                )
            } else {
                alter
            }
        } else {
            format!(
                "kafka-topics.sh --bootstrap-server <brokers> --delete --topic {name} (and create it with {width}, its data copied)"
            )
        };
        self.fault(name, wrong, mend);
    }

    fn compacted(&mut self, name: &TopicName) {
        let Some(topic) = self.found.get(name) else { return };
        let policy = topic.settings.get("cleanup.policy").map_or("delete", String::as_str);
        if policy == "compact" {
            return;
        }
        self.fault(
            name,
            format!("is the changelog of group '{}' and has cleanup.policy={policy}, so that its table would be lost in part; it must be 'compact'", self.spec.group),
            format!("kafka-configs.sh --bootstrap-server <brokers> --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact"),
        );
    }

    fn fault(&mut self, topic: &TopicName, wrong: impl Into<String>, mend: impl Into<String>) {
        let fault = TopicFault { topic: topic.clone(), wrong: wrong.into(), mend: mend.into() };
        self.survey.faults.push(fault);
    }
}

#[cfg(test)]
mod tests;
