//! The program as a user has it: started, stopped, killed, and started again.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, missing_docs, reason = "tests")]

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};
use tempfile::TempDir;

const WAIT: Duration = Duration::from_mins(1);

fn dev(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dev"));
    command.args(arguments).env_remove("KAFKA_PORT").env_remove("MILLSTREAM_DEV_DATA").stdin(Stdio::null());
    command
}

/// A broker in a process of its own.
struct Dev {
    child: Child,
    brokers: String,
}

impl Dev {
    fn up(data: &TempDir, port: &str) -> Self {
        Self::up_in(data.path(), port)
    }

    fn up_in(data: &Path, port: &str) -> Self {
        let data = data.to_str().unwrap();
        let mut command = dev(&["up", "--data", data, "--kafka-port", port, "--no-registry"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let export = lines.map(Result::unwrap).find(|line| line.starts_with("export")).unwrap();
        Self { child, brokers: export.split_once('=').unwrap().1.to_owned() }
    }

    fn port(&self) -> String {
        self.brokers.rsplit_once(':').unwrap().1.to_owned()
    }

    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends it as Ctrl-C does; answers its exit code.
    fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code()
    }

    fn is_gone(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    fn config(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.brokers);
        config
    }

    fn topic(&self, name: &str) {
        let admin: AdminClient<DefaultClientContext> = self.config().create().unwrap();
        let topic = NewTopic::new(name, 1, TopicReplication::Fixed(1));
        let made = pollster::block_on(admin.create_topics([&topic], &AdminOptions::new())).unwrap();
        assert!(made[0].is_ok());
    }

    fn values(&self, topic: &str) -> Vec<String> {
        let reader: BaseConsumer = self.config().set("group.id", "none").create().unwrap();
        let (_, end) = reader.fetch_watermarks(topic, 0, WAIT).unwrap();
        let mut place = TopicPartitionList::new();
        place.add_partition_offset(topic, 0, Offset::Beginning).unwrap();
        reader.assign(&place).unwrap();
        let (mut values, begun, mut position) = (Vec::new(), Instant::now(), 0);
        while position < end {
            assert!(begun.elapsed() < WAIT, "{} records came, up to {position} of {end}", values.len());
            if let Some(record) = reader.poll(Duration::from_millis(50)) {
                values.push(String::from_utf8(record.unwrap().payload().unwrap().to_vec()).unwrap());
            }
            // Markers move it too.
            let told = reader.position().unwrap().elements()[0].offset();
            position = if let Offset::Offset(offset) = told { offset } else { position };
        }
        values
    }
}

impl Drop for Dev {
    /// A test that failed leaves nobody behind.
    fn drop(&mut self) {
        if !self.is_gone() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// Notes what was acknowledged.
#[derive(Clone, Default)]
struct Acknowledged(Arc<Mutex<Vec<String>>>);

impl ClientContext for Acknowledged {}

impl ProducerContext for Acknowledged {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Ok(record) = result {
            self.0.lock().unwrap().push(String::from_utf8(record.payload().unwrap().to_vec()).unwrap());
        }
    }
}

/// Sends numbers while the broker is killed again and again.
#[test]
fn a_kill_loses_no_acknowledged_record_and_doubles_none_of_an_idempotent_producer() {
    let data = TempDir::new().unwrap();
    let mut broker = Dev::up(&data, "0");
    let port = broker.port();
    broker.topic("numbers");
    let acknowledged = Acknowledged::default();
    let mut config = broker.config();
    config.set("enable.idempotence", "true").set("linger.ms", "1").set("reconnect.backoff.max.ms", "100");
    let producer: BaseProducer<Acknowledged> = config.create_with_context(acknowledged.clone()).unwrap();
    let mut sent = 0;
    for _ in 0..5 {
        let enough = acknowledged.0.lock().unwrap().len() + 2_000;
        let begun = Instant::now();
        while acknowledged.0.lock().unwrap().len() < enough {
            assert!(begun.elapsed() < WAIT, "the producer goes on after a kill");
            let value = sent.to_string();
            let record = BaseRecord::<(), _>::to("numbers").partition(0).payload(&value);
            sent += usize::from(producer.send(record).is_ok());
            producer.poll(Duration::ZERO);
        }
        broker.kill();
        // Some are sent while there is nobody.
        for _ in 0..500 {
            let value = sent.to_string();
            let record = BaseRecord::<(), _>::to("numbers").partition(0).payload(&value);
            sent += usize::from(producer.send(record).is_ok());
        }
        broker = Dev::up(&data, &port);
    }
    producer.flush(WAIT).unwrap();
    let values = broker.values("numbers");
    assert!(values.iter().map(|value| value.parse::<usize>().unwrap()).eq(0..sent), "each once and in order");
    assert!(acknowledged.0.lock().unwrap().len() <= values.len());
    broker.kill();
}

/// Each transaction writes its number to two topics; what is read of both is the same, whenever the broker was killed.
#[test]
fn a_kill_amid_transactions_leaves_each_whole_or_not_at_all() {
    let data = TempDir::new().unwrap();
    let broker = Dev::up(&data, "0");
    let port = broker.port();
    broker.topic("left");
    broker.topic("right");
    let mut config = broker.config();
    config.set("transactional.id", "pairs").set("linger.ms", "0").set("reconnect.backoff.max.ms", "100");
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    let (mut committed, mut killer, mut broker) = (Vec::new(), None, Some(broker));
    for number in 0..120 {
        if number % 30 == 15 {
            // It goes at some moment of the transactions that follow, and comes back.
            let present = broker.take().unwrap();
            let (data, port) = (data.path().to_owned(), port.clone());
            killer = Some(thread::spawn(move || {
                present.kill();
                Dev::up_in(&data, &port)
            }));
        }
        let value = number.to_string();
        let commit = number % 5 != 0;
        producer.begin_transaction().unwrap();
        for topic in ["left", "right"] {
            producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload(&value)).unwrap();
        }
        if commit {
            producer.commit_transaction(WAIT).unwrap();
            committed.push(value);
        } else {
            producer.flush(WAIT).unwrap();
            producer.abort_transaction(WAIT).unwrap();
        }
        if number % 30 == 14 || number == 119 {
            broker = killer.take().map(|up: thread::JoinHandle<Dev>| up.join().unwrap()).or(broker);
        }
    }
    let broker = broker.unwrap();
    assert_eq!(broker.values("left"), committed);
    assert_eq!(broker.values("right"), committed);
    broker.kill();
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_stop_is_clean_and_a_second_start_finds_the_data() {
    let data = TempDir::new().unwrap();
    let broker = Dev::up(&data, "0");
    broker.topic("kept");
    let producer: BaseProducer = broker.config().create().unwrap();
    producer.send(BaseRecord::<(), _>::to("kept").partition(0).payload("still here")).unwrap();
    producer.flush(WAIT).unwrap();
    let folder = data.path().to_str().unwrap();

    let second = dev(&["up", "--data", folder, "--kafka-port", "0"]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(told(&second).contains("in use by another broker"), "{}", told(&second));
    let taken = TempDir::new().unwrap();
    let other = ["up", "--data", taken.path().to_str().unwrap(), "--kafka-port", &broker.port()];
    let other = dev(&other).output().unwrap();
    assert!(told(&other).contains("can't listen") && other.status.code() == Some(1), "{}", told(&other));
    let wiped = dev(&["wipe", "--data", folder]).output().unwrap();
    assert!(told(&wiped).contains("in use by another broker") && !wiped.status.success());

    assert_eq!(broker.interrupt(), Some(0));
    let broker = Dev::up(&data, "0");
    assert_eq!(broker.values("kept"), ["still here"]);
    assert_eq!(broker.interrupt(), Some(0));
    assert!(dev(&["wipe", "--data", folder]).status().unwrap().success());
    assert!(!data.path().exists());
    assert!(dev(&["wipe", "--data", folder]).status().unwrap().success(), "nothing to do is no failure");
}

#[test]
fn other_machines_are_let_in_only_when_it_is_said() {
    let data = TempDir::new().unwrap();
    let folder = data.path().to_str().unwrap();
    let open = ["up", "--data", folder, "--kafka-port", "0", "--no-registry", "--listen", "0.0.0.0"];
    let refused = dev(&open).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(told(&refused).contains("reached by other machines"), "{}", told(&refused));
    let mut allowed = dev(&open);
    let mut child = allowed.arg("--listen-anywhere").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = [0; 5];
    child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
    assert_eq!(&line, b"Kafka");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A user who looks for a way in finds it.
#[test]
fn help_names_the_deeds() {
    let help = dev(&["--help"]).output().unwrap();
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success() && text.contains("up") && text.contains("wipe"), "{text}");
}
