use std::time::Duration;

/// How a registry is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where it listens, such as `127.0.0.1:8081`; port 0 takes a free one.
    pub address: String,
    /// Whether others than this machine may be listened to. There is no authentication: whoever reaches it may do all.
    pub is_open: bool,
    /// The journal's topic.
    pub topic: String,
    /// How many copies of the journal, where it has to be created; `None` is the brokers' default.
    pub replication: Option<u16>,
    /// The greatest body of a request, in bytes.
    pub body_bytes_max: usize,
    /// The greatest record, in bytes; the brokers and the client have a limit of their own.
    pub record_bytes_max: usize,
    /// How long a request may take.
    pub answer_wait: Duration,
}

impl Settings {
    /// The usual ones, at `address`.
    pub fn at(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            is_open: false,
            topic: "_schemas".to_owned(),
            replication: None,
            body_bytes_max: 4 << 20,
            record_bytes_max: 950_000,
            answer_wait: Duration::from_secs(30),
        }
    }
}
