//! Traces by OTLP: spans are batched on a thread of their own and posted as JSON.

mod batch;
mod ids;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_ports::{Meter, Sample, SampleKind, Span, SpanWork, TraceParent, Tracer};
use reqwest::blocking::Client;
use thiserror::Error;

use batch::{Told, body};
use ids::Ids;

/// Spans that wait to be told; more are dropped.
const WAITING_MAX: usize = 8_192;
/// Spans a post.
const BATCH_MAX: usize = 512;
/// How long a span waits for company.
const COMPANY: Duration = Duration::from_secs(1);
/// How long a collector may take; the last post at the end too.
const ANSWER: Duration = Duration::from_secs(3);

/// Where spans go, and how many of them.
#[derive(Clone, Debug, PartialEq)]
pub struct SpanSettings {
    /// What tells them, such as `stream`.
    pub service: String,
    /// The collector, such as `http://localhost:4318`; `/v1/traces` is added to it.
    pub endpoint: String,
    /// Which part of new traces is told, from 0 to 1. What continues a trace goes by its beginning.
    pub ratio: f64,
}

/// Why spans can't be told.
#[derive(Debug, Error)]
pub enum SpanError {
    /// The ratio is no part.
    #[error("a sampling ratio is a number from 0 to 1, not {0}")]
    Ratio(f64),
    /// The endpoint is none.
    #[error("'{0}' is no OTLP endpoint; write such as http://localhost:4318")]
    Endpoint(String),
    /// No client could be made.
    #[error("can't speak HTTP: {0}")]
    Client(#[from] reqwest::Error),
    /// The system gives no thread.
    #[error("can't start to tell traces: {0}")]
    Thread(#[from] std::io::Error),
}

/// Tells spans to a collector by OTLP/HTTP in JSON (OTLP 1.x, "OTLP/HTTP").
///
/// Nothing waits for it: what a collector does not take, or what comes faster than it takes, is dropped and counted. Dropping
/// it tells what is left, up to the first post that fails; each has three seconds.
pub struct Spans {
    line: Option<SyncSender<Told>>,
    ids: Ids,
    ratio: f64,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Counts {
    told: AtomicU64,
    dropped: AtomicU64,
    is_ending: AtomicBool,
}

impl Spans {
    /// Begins to tell spans.
    ///
    /// # Errors
    /// When the settings do not fit, or the system gives no thread.
    pub fn start(settings: &SpanSettings) -> Result<Self, SpanError> {
        if !(0.0..=1.0).contains(&settings.ratio) {
            return Err(SpanError::Ratio(settings.ratio));
        }
        let base = settings.endpoint.trim_end_matches('/');
        if reqwest::Url::parse(base).is_err() || !base.starts_with("http") {
            return Err(SpanError::Endpoint(settings.endpoint.clone()));
        }
        let (line, spans) = sync_channel(WAITING_MAX);
        let counts = Arc::new(Counts::default());
        let post = Post {
            client: Client::builder().timeout(ANSWER).build()?,
            url: format!("{base}/v1/traces"),
            service: settings.service.clone(),
            counts: counts.clone(),
            is_down: false,
        };
        let body = move || post.run(&spans);
        let thread = Some(thread::Builder::new().name("spans".to_owned()).spawn(body)?);
        Ok(Self { line: Some(line), ids: Ids::new(), ratio: settings.ratio, counts, thread })
    }
}

impl Tracer for Spans {
    fn begin(&self, parent: Option<TraceParent>) -> Span {
        let place = match parent {
            Some(parent) => TraceParent { span: self.ids.span(), ..parent },
            None => self.ids.root(self.ratio),
        };
        Span { place, parent: parent.map(|parent| parent.span), began_ns: now_ns() }
    }

    fn end(&self, span: &Span, work: &SpanWork<'_>) {
        let Some(line) = self.line.as_ref().filter(|_| span.place.is_sampled) else { return };
        if line.try_send(Told::of(span, now_ns(), work)).is_err() {
            self.counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Meter for Spans {
    fn samples(&self, out: &mut Vec<Sample>) {
        let mut add = |name, help, count: &AtomicU64| {
            #[expect(clippy::cast_precision_loss, reason = "a count of spans is far below 2^53")]
            let value = count.load(Ordering::Relaxed) as f64;
            out.push(Sample { name, help, kind: SampleKind::Counter, labels: Vec::new(), value });
        };
        add("millstream_spans_told_total", "Spans that the collector took.", &self.counts.told);
        let help = "Spans that the collector did not take, or that came faster than it took.";
        add("millstream_spans_dropped_total", help, &self.counts.dropped);
    }
}

impl Drop for Spans {
    fn drop(&mut self) {
        self.counts.is_ending.store(true, Ordering::SeqCst);
        self.line = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn now_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// The thread's own part.
struct Post {
    client: Client,
    url: String,
    service: String,
    counts: Arc<Counts>,
    is_down: bool,
}

impl Post {
    fn run(mut self, spans: &std::sync::mpsc::Receiver<Told>) {
        let mut has_ended = false;
        while !has_ended {
            let Ok(first) = spans.recv() else { return };
            let (mut batch, due) = (vec![first], Instant::now() + COMPANY);
            while batch.len() < BATCH_MAX {
                match spans.recv_timeout(due.saturating_duration_since(Instant::now())) {
                    Ok(span) => batch.push(span),
                    Err(end) => {
                        has_ended = end == RecvTimeoutError::Disconnected;
                        break;
                    }
                }
            }
            self.send(&batch);
            // Nobody waits at the end for what nobody takes.
            if self.is_down && self.counts.is_ending.load(Ordering::SeqCst) {
                return;
            }
        }
    }

    fn send(&mut self, batch: &[Told]) {
        let body = body(&self.service, batch).to_string();
        let request = self.client.post(&self.url).header("content-type", "application/json").body(body);
        let answer = request.send().and_then(reqwest::blocking::Response::error_for_status);
        let count = match &answer {
            Ok(_) => &self.counts.told,
            Err(_) => &self.counts.dropped,
        };
        count.fetch_add(batch.len() as u64, Ordering::Relaxed);
        match answer {
            Err(error) if !self.is_down => {
                // The address may hold a password.
                let error = error.without_url();
                tracing::warn!(%error, "the collector takes no spans; they are dropped until it does");
                self.is_down = true;
            }
            Ok(_) if self.is_down => {
                tracing::info!("the collector takes spans again");
                self.is_down = false;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
