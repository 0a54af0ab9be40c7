use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use millstream_model::TopicName;
use millstream_ports::{PortError, TopicDescription, TopicSpec};
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use crate::KafkaLog;
use crate::client::LogContext;
use crate::failure::port_error;

/// How long the brokers may take for one answer.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// Time between two looks whether a new topic has come to be.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

impl KafkaLog {
    fn admin_client(&self) -> Result<AdminClient<LogContext>, PortError> {
        self.admin()
            .create_with_context(LogContext)
            .map_err(|error| port_error("could not create an admin client", &error))
    }

    /// Describes topics, in the order asked; `None` for one that does not exist.
    ///
    /// # Errors
    /// When the brokers can't be reached, or don't allow it.
    pub fn describe_topics(&self, names: &[TopicName]) -> Result<Vec<Option<TopicDescription>>, PortError> {
        let admin = self.admin_client()?;
        let widths = self.widths(&admin)?;
        let known: Vec<_> = names.iter().filter(|name| widths.contains_key(name.as_str())).collect();
        let mut settings = self.settings_of(&admin, &known)?;
        let describe = |name: &TopicName| {
            let partitions = *widths.get(name.as_str())?;
            Some(TopicDescription {
                name: name.clone(),
                partitions,
                settings: settings.remove(name).unwrap_or_default(),
            })
        };
        Ok(names.iter().map(describe).collect())
    }

    /// All topics' numbers of partitions. Asking for all makes no broker create what it does not have.
    fn widths(&self, admin: &AdminClient<LogContext>) -> Result<HashMap<String, u32>, PortError> {
        let metadata = admin.inner().fetch_metadata(None, ANSWER_WAIT);
        let metadata = metadata.map_err(|error| {
            PortError::retry(format!("could not reach the brokers at {}; is Kafka up there?", self.brokers()))
                .because(port_error("no metadata", &error))
        })?;
        let width = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        let topics = metadata
            .topics()
            .iter()
            .filter(|topic| topic.error().is_none() && !topic.partitions().is_empty());
        Ok(topics.map(|topic| (topic.name().to_owned(), width(topic.partitions().len()))).collect())
    }

    fn settings_of(
        &self,
        admin: &AdminClient<LogContext>,
        names: &[&TopicName],
    ) -> Result<HashMap<TopicName, BTreeMap<String, String>>, PortError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let resources: Vec<_> = names.iter().map(|name| ResourceSpecifier::Topic(name.as_str())).collect();
        let options = AdminOptions::new().request_timeout(Some(ANSWER_WAIT));
        let answer = pollster::block_on(admin.describe_configs(&resources, &options));
        let attempt = || format!("could not read the settings of topics at {}", self.brokers());
        let answers = answer.map_err(|error| port_error(attempt(), &error))?;
        let mut all = HashMap::new();
        for (name, resource) in names.iter().zip(answers) {
            let resource = resource.map_err(|code| PortError::stop(attempt()).because(code.to_string()))?;
            let pairs = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            all.insert((*name).clone(), pairs.collect());
        }
        Ok(all)
    }

    /// Creates a topic, and waits until its partitions have leaders. One that exists already is no error.
    ///
    /// # Errors
    /// When the brokers refuse it or can't be reached.
    pub fn create_topic(&self, spec: &TopicSpec) -> Result<(), PortError> {
        let admin = self.admin_client()?;
        let partitions = i32::try_from(spec.partitions).unwrap_or(i32::MAX);
        let replication = TopicReplication::Fixed(spec.replication.map_or(-1, i32::from));
        let mut topic = NewTopic::new(spec.name.as_str(), partitions, replication);
        for (key, value) in &spec.settings {
            topic = topic.set(key, value);
        }
        let options =
            AdminOptions::new().request_timeout(Some(ANSWER_WAIT)).operation_timeout(Some(ANSWER_WAIT));
        let answer = pollster::block_on(admin.create_topics([&topic], &options));
        let attempt = || format!("could not create topic '{}'", spec.name);
        for result in answer.map_err(|error| port_error(attempt(), &error))? {
            match result {
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((_, code)) => return Err(PortError::stop(attempt()).because(code.to_string())),
            }
        }
        self.await_topic(&admin, &spec.name)
    }

    fn await_topic(&self, admin: &AdminClient<LogContext>, name: &TopicName) -> Result<(), PortError> {
        let deadline = Instant::now() + ANSWER_WAIT;
        while !self.widths(admin)?.contains_key(name.as_str()) {
            if Instant::now() >= deadline {
                return Err(PortError::retry(format!(
                    "topic '{name}' was created, but no broker shows it yet"
                )));
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        Ok(())
    }
}
