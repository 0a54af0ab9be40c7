use std::sync::Arc;

use crate::context::Context;
use crate::graph::CallbackResult;

type Around = dyn Fn(&mut Context<'_>, Next<'_>) -> CallbackResult + Send + Sync;

/// What stands around every callback of a group, such as tracing, timing or a check of who may.
#[derive(Clone)]
pub(crate) struct Middleware(Arc<Around>);

impl Middleware {
    pub(crate) fn new(
        around: impl Fn(&mut Context<'_>, Next<'_>) -> CallbackResult + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(around))
    }
}

/// What a middleware stands around: those inside it, and the callback.
pub struct Next<'a> {
    inside: &'a [Middleware],
    callback: &'a mut dyn FnMut(&mut Context<'_>) -> CallbackResult,
}

impl<'a> Next<'a> {
    pub(crate) fn new(
        inside: &'a [Middleware],
        callback: &'a mut dyn FnMut(&mut Context<'_>) -> CallbackResult,
    ) -> Self {
        Self { inside, callback }
    }

    /// Goes on inside. A middleware that does not is the end of the record: what it answers itself counts.
    ///
    /// # Errors
    /// What the callback answers.
    pub fn run(self, context: &mut Context<'_>) -> CallbackResult {
        match self.inside.split_first() {
            Some((outer, inside)) => (outer.0)(context, Next { inside, callback: self.callback }),
            None => (self.callback)(context),
        }
    }
}

/// Runs a callback, which is called at most once, within the group's middleware.
pub(crate) fn within(
    layers: &[Middleware],
    context: &mut Context<'_>,
    callback: impl FnOnce(&mut Context<'_>) -> CallbackResult,
) -> CallbackResult {
    if layers.is_empty() {
        return callback(context);
    }
    let mut callback = Some(callback);
    let mut once = |context: &mut Context<'_>| callback.take().map_or(Ok(()), |callback| callback(context));
    Next::new(layers, &mut once).run(context)
}
