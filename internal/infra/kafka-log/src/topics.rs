use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use millstream_model::TopicName;
use millstream_ports::{PortError, TopicDescription, TopicSpec};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::metadata::MetadataTopic;

use crate::KafkaLog;
use crate::client::PlainContext;
use crate::failure::{port_error, refusal};

/// How long the brokers may take for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How long they may take to be found at all.
const CONTACT_WAIT: Duration = Duration::from_secs(15);

/// Polls after which a client that reached nobody has told why.
const POLLS_FOR_COMPLAINTS: usize = 100;

/// Time between two looks whether a new topic has come to be.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The broker's setting that lists its groups' protocols (KIP-848).
const REBALANCE_PROTOCOLS: &str = "group.coordinator.rebalance.protocols";

/// How many partitions a topic has, and copies of each.
#[derive(Clone, Copy)]
struct Shape {
    partitions: u32,
    replicas: u32,
}

impl KafkaLog {
    fn admin_client(&self) -> Result<AdminClient<PlainContext>, PortError> {
        self.admin()
            .create_with_context(PlainContext::default())
            .map_err(|error| port_error("could not create an admin client", &error))
    }

    /// Describes topics, in the order asked; `None` for one that does not exist.
    ///
    /// # Errors
    /// When the brokers can't be reached, or don't allow it.
    pub fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError> {
        let shapes = self.shapes(&self.probe()?)?;
        let known: Vec<_> = names.iter().filter(|name| shapes.contains_key(name.as_str())).collect();
        let mut settings = self.settings_of(&known)?;
        let describe = |name: &TopicName| {
            let Shape { partitions, replicas } = *shapes.get(name.as_str())?;
            let settings = settings.remove(name).unwrap_or_default();
            Some(TopicDescription { name: name.clone(), partitions, replicas, settings })
        };
        Ok(names.iter().map(describe).collect())
    }

    /// A consumer of nothing, which hears why brokers can't be reached; the client for administration does not.
    pub(crate) fn probe(&self) -> Result<BaseConsumer<PlainContext>, PortError> {
        self.admin()
            .create_with_context(PlainContext::default())
            .map_err(|error| port_error("could not create a client", &error))
    }

    /// All topics' shapes. Asking for all makes no broker create what it does not have.
    fn shapes(&self, probe: &BaseConsumer<PlainContext>) -> Result<HashMap<String, Shape>, PortError> {
        let metadata = probe.fetch_metadata(None, CONTACT_WAIT).map_err(|error| {
            // Complaints come by polls, among lines of log that a poll takes in without a word.
            (0..POLLS_FOR_COMPLAINTS).for_each(|_| drop(probe.poll(Duration::ZERO)));
            let complaints = &probe.context().complaints;
            let brokers = self.brokers();
            if let Some(code) = complaints.refusal() {
                return refusal(
                    format!("the brokers at {brokers} do not let this client in{complaints}"),
                    code,
                );
            }
            let attempt = format!("could not reach the brokers at {brokers}; is Kafka up there?{complaints}");
            PortError::retry(port_error(attempt, &error).to_string())
        })?;
        let count = |of: usize| u32::try_from(of).unwrap_or(u32::MAX);
        let topics = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        let shape = |topic: &MetadataTopic| Shape {
            partitions: count(topic.partitions().len()),
            replicas: count(
                topic.partitions().iter().map(|partition| partition.replicas().len()).min().unwrap_or(0),
            ),
        };
        Ok(topics.map(|topic| (topic.name().to_owned(), shape(topic))).collect())
    }

    fn settings_of(
        &self,
        names: &[&TopicName],
    ) -> Result<HashMap<TopicName, BTreeMap<String, String>>, PortError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let admin = self.admin_client()?;
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name.as_str())).collect();
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WAIT));
        let answer = pollster::block_on(admin.describe_configs(&resources, &options));
        retire(admin);
        let attempt = || format!("could not read the settings of topics at {}", self.brokers());
        let answers = answer.map_err(|error| port_error(attempt(), &error))?;
        let mut all = HashMap::new();
        for (name, resource) in names.iter().zip(answers) {
            let resource = resource.map_err(|code| refusal(attempt(), code))?;
            let pairs = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            all.insert((*name).clone(), pairs.collect());
        }
        Ok(all)
    }

    /// Whether the brokers have KIP-848's groups, as one of them says by its settings; `None` when it can't be asked.
    pub(crate) fn find_consumer_groups(&self) -> Option<bool> {
        let metadata = self.probe().ok()?.fetch_metadata(None, CONTACT_WAIT).ok()?;
        let broker = metadata.brokers().first()?.id();
        let options = AdminOptions::new().request_timeout(Some(CONTACT_WAIT));
        let (admin, broker) = (self.admin_client().ok()?, ResourceSpecifier::Broker(broker));
        let answer = admin.describe_configs([&broker], &options);
        let resource = pollster::block_on(answer).ok()?.into_iter().next()?.ok()?;
        let protocols = resource.entries.into_iter().find(|entry| entry.name == REBALANCE_PROTOCOLS);
        let protocols = protocols.and_then(|entry| entry.value).unwrap_or_default();
        Some(protocols.split(',').any(|protocol| protocol.trim() == "consumer"))
    }

    /// Deletes a group and its positions; one that is not there is no error.
    pub(crate) fn delete_group(&self, group: &str) -> Result<(), PortError> {
        let attempt = || format!("could not delete group '{group}'");
        let client = self.admin_client()?;
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WAIT));
        let answer = pollster::block_on(client.delete_groups(&[group], &options));
        retire(client);
        match answer.map_err(|error| port_error(attempt(), &error))?.pop() {
            None | Some(Ok(_) | Err((_, Code::GroupIdNotFound))) => Ok(()),
            Some(Err((_, code))) => Err(refusal(attempt(), code)),
        }
    }

    /// Creates a topic, and waits until its partitions have leaders. One that exists already is no error.
    ///
    /// # Errors
    /// When the brokers refuse it or can't be reached.
    pub fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError> {
        self.create_topics(std::slice::from_ref(spec))
    }

    /// Creates topics at once, and waits until all their partitions have leaders. Those that exist already are no error.
    ///
    /// # Errors
    /// When the brokers refuse one of them or can't be reached; others may then exist.
    pub fn create_topics(&self, specs: &[TopicSpec]) -> Result<(), PortError> {
        if specs.is_empty() {
            return Ok(());
        }
        let admin = self.admin_client()?;
        let topics: Vec<_> = specs.iter().map(new_topic).collect();
        let options =
            AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT));
        let answer = pollster::block_on(admin.create_topics(&topics, &options));
        retire(admin);
        let attempt = |name: &str| format!("could not create topic '{name}'");
        let named = specs.first().map(|spec| spec.name.as_str()).unwrap_or_default();
        for result in answer.map_err(|error| port_error(attempt(named), &error))? {
            match result {
                Ok(_) | Err((_, Code::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(refusal(attempt(&name), code)),
            }
        }
        self.await_topics(specs)
    }

    /// All topics by name, but the brokers' own, without their settings.
    ///
    /// # Errors
    /// When the brokers can't be reached.
    pub fn list_topics(&self) -> Result<Vec<TopicDescription>, PortError> {
        let shapes = self.shapes(&self.probe()?)?;
        let topics = shapes.into_iter().filter(|(name, _)| !name.starts_with("__"));
        let describe = |(name, Shape { partitions, replicas }): (String, Shape)| {
            let name = TopicName::new(name).ok()?;
            Some(TopicDescription { name, partitions, replicas, settings: BTreeMap::new() })
        };
        let mut all: Vec<_> = topics.filter_map(describe).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(all)
    }

    /// Deletes a topic. One that does not exist is no error.
    ///
    /// # Errors
    /// When the brokers refuse it or can't be reached.
    pub fn delete_topic(&self, name: &TopicName) -> Result<(), PortError> {
        let admin = self.admin_client()?;
        let options =
            AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT));
        let answer = pollster::block_on(admin.delete_topics(&[name.as_str()], &options));
        retire(admin);
        let attempt = || format!("could not delete topic '{name}'");
        for result in answer.map_err(|error| port_error(attempt(), &error))? {
            match result {
                Ok(_) | Err((_, Code::UnknownTopicOrPartition | Code::UnknownTopic)) => {}
                Err((_, code)) => return Err(refusal(attempt(), code)),
            }
        }
        Ok(())
    }

    fn await_topics(&self, specs: &[TopicSpec]) -> Result<(), PortError> {
        let probe = self.probe()?;
        let deadline = Instant::now() + ANSWER_WAIT;
        while let Some(name) = leaderless(&probe, specs)? {
            if Instant::now() >= deadline {
                return Err(PortError::retry(format!(
                    "topic '{name}' was created, but its partitions have no leaders yet"
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}

/// Ends a client for administration without waiting: its thread sees only every 100 ms that it shall.
fn retire(client: AdminClient<PlainContext>) {
    std::thread::spawn(move || drop(client));
}

fn new_topic(spec: &TopicSpec) -> NewTopic<'_> {
    let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
    let replication = TopicReplication::Fixed(spec.replication.map_or(-1, i32::from));
    let topic = NewTopic::new(spec.name.as_str(), partitions, replication);
    spec.settings.iter().fold(topic, |topic, (key, value)| topic.set(key, value))
}

/// The first of these topics that has a partition without a leader, or none at all.
fn leaderless<'s>(
    probe: &BaseConsumer<PlainContext>,
    specs: &'s [TopicSpec],
) -> Result<Option<&'s TopicName>, PortError> {
    let metadata = probe
        .fetch_metadata(None, CONTACT_WAIT)
        .map_err(|error| port_error("could not look for new topics", &error))?;
    let is_led = |topic: &&MetadataTopic| {
        !topic.partitions().is_empty() && topic.partitions().iter().all(|partition| partition.leader() >= 0)
    };
    let led: HashSet<_> = metadata.topics().iter().filter(is_led).map(MetadataTopic::name).collect();
    Ok(specs.iter().map(|spec| &spec.name).find(|name| !led.contains(name.as_str())))
}
