//! Spans as OTLP writes them in JSON: identifiers in hex, 64-bit numbers as text (OTLP specification, "JSON Protobuf
//! Encoding"; names of attributes by the semantic conventions for messaging).

use millstream_ports::{Span, SpanWork};
use serde_json::{Value, json};

/// `SPAN_KIND_PRODUCER` and `SPAN_KIND_CONSUMER` of `opentelemetry.proto.trace.v1`.
const PRODUCER: u8 = 4;
const CONSUMER: u8 = 5;

/// A span that has ended.
pub(super) struct Told {
    span: Span,
    ended_ns: u64,
    topic: String,
    partition: Option<u32>,
    offset: Option<i64>,
    group: Option<String>,
    failure: Option<String>,
}

impl Told {
    pub(super) fn of(span: &Span, ended_ns: u64, work: &SpanWork<'_>) -> Self {
        Self {
            span: *span,
            ended_ns,
            topic: work.topic.to_owned(),
            partition: work.partition,
            offset: work.offset,
            group: work.group.map(str::to_owned),
            failure: work.failure.map(str::to_owned),
        }
    }

    fn json(&self) -> Value {
        let (kind, deed) = if self.group.is_some() { (CONSUMER, "process") } else { (PRODUCER, "send") };
        let mut span = json!({
            "traceId": format!("{:032x}", self.span.place.trace),
            "spanId": format!("{:016x}", self.span.place.span),
            "name": format!("{deed} {}", self.topic),
            "kind": kind,
            "startTimeUnixNano": self.span.began_ns.to_string(),
            "endTimeUnixNano": self.ended_ns.max(self.span.began_ns).to_string(),
            "attributes": self.attributes(deed),
            "status": match &self.failure {
                None => json!({"code": 1}),
                Some(failure) => json!({"code": 2, "message": failure}),
            },
        });
        if let (Some(parent), Some(fields)) = (self.span.parent, span.as_object_mut()) {
            fields.insert("parentSpanId".to_owned(), json!(format!("{parent:016x}")));
        }
        span
    }

    fn attributes(&self, deed: &str) -> Vec<Value> {
        let outcome = if self.failure.is_some() { "error" } else { "ok" };
        let text = |text: &str| Some(json!({"stringValue": text}));
        let all = [
            ("messaging.system", text("kafka")),
            ("messaging.operation.type", text(deed)),
            ("messaging.destination.name", text(&self.topic)),
            (
                "messaging.destination.partition.id",
                self.partition.and_then(|partition| text(&partition.to_string())),
            ),
            ("messaging.kafka.offset", self.offset.map(|offset| json!({"intValue": offset.to_string()}))),
            ("messaging.consumer.group.name", self.group.as_deref().and_then(text)),
            ("millstream.outcome", text(outcome)),
        ];
        all.into_iter()
            .filter_map(|(key, value)| value.map(|value| json!({"key": key, "value": value})))
            .collect()
    }
}

/// One `ExportTraceServiceRequest`.
pub(super) fn body(service: &str, spans: &[Told]) -> Value {
    let resource = json!({"attributes": [{"key": "service.name", "value": {"stringValue": service}}]});
    let scope = json!({"name": "millstream", "version": env!("CARGO_PKG_VERSION")});
    let spans: Vec<_> = spans.iter().map(Told::json).collect();
    json!({"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": scope, "spans": spans}]}]})
}
