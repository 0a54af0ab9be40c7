//! Traces: each callback is a span of its record's trace, and what it emits carries that on.

use std::fmt;
use std::sync::Arc;

use millstream_model::{HeaderSource, Headers};
use millstream_ports::{Span, SpanWork, TRACE_HEADER, TraceParent, Tracer};

use crate::context::Context;
use crate::graph::CallbackResult;
use crate::middleware::{Middleware, Next};

/// Where spans go; a cheap handle. The default tells none, and costs nothing.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<dyn Tracer>>);

impl Traces {
    /// Tells `tracer`.
    pub fn to(tracer: Arc<dyn Tracer>) -> Self {
        Self(Some(tracer))
    }

    /// What stands around a group's callbacks; none where no spans are told.
    pub(crate) fn middleware(&self) -> Option<Middleware> {
        let tracer = self.0.clone()?;
        Some(Middleware::new(move |context, next| traced(&*tracer, context, next)))
    }

    /// Begins the span of a record that is written from outside any group, with headers that carry it; `None` where none are
    /// told.
    pub(crate) fn begin(&self, headers: &Headers) -> Option<(&dyn Tracer, Span, Headers)> {
        let tracer = self.0.as_deref()?;
        let span = tracer.begin(parent(headers));
        let mut all = Headers::default();
        let others = headers.0.iter().filter(|(name, _)| *name != *TRACE_HEADER);
        all.0.extend(others.cloned());
        all.push(TRACE_HEADER, span.place.to_string());
        Some((tracer, span, all))
    }
}

/// Without a tracer none are told.
impl<T: Tracer + 'static> From<Option<Arc<T>>> for Traces {
    fn from(tracer: Option<Arc<T>>) -> Self {
        tracer.map_or_else(Self::default, |tracer| Self::to(tracer))
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "told" } else { "not told" })
    }
}

pub(crate) fn parent(headers: &dyn HeaderSource) -> Option<TraceParent> {
    let mut found = None;
    headers.each(&mut |name, value| {
        if name == TRACE_HEADER {
            found = value.and_then(TraceParent::read);
        }
    });
    found
}

fn traced(tracer: &dyn Tracer, context: &mut Context<'_>, next: Next<'_>) -> CallbackResult {
    let span = tracer.begin(parent(context.headers()));
    context.trace = Some(span.place);
    let outcome = next.run(context);
    let failure = outcome.as_ref().err().map(ToString::to_string);
    let work = SpanWork {
        topic: context.topic().as_str(),
        partition: u32::try_from(context.partition().index()).ok(),
        offset: Some(context.offset().0),
        group: Some(context.group()),
        failure: failure.as_deref(),
    };
    tracer.end(&span, &work);
    outcome
}
