use std::sync::{Arc, PoisonError, RwLock};

use millstream_model::TopicName;
use millstream_ports::{Codec, CodecError, Nullable, Shape, Utf8};
use millstream_runtime::{CallbackResult, Context, GroupGraph, Lookup, Output, Table};
use millstream_shop::{Case, NameFilter, ProductState};
use millstream_topology::GraphError;

use crate::sound::Sound;
use crate::wire::{ProductStateWire, ProductWire};

/// The key under which the filter topic holds the one filter.
pub const FILTER_KEY: &str = "filter";

/// Products that borrow their texts from the record.
pub struct ProductShape;

impl Shape for ProductShape {
    type Of<'a> = ProductWire<'a>;
}

/// States of products that borrow their texts from the table's entry.
pub struct ProductStateShape;

impl Shape for ProductStateShape {
    type Of<'a> = ProductStateWire<'a>;
}

/// Where the stream reads and writes.
#[derive(Clone, Debug)]
pub struct FilterTopics {
    /// Products as stores announce them.
    pub products: TopicName,
    /// Products whose name passes the filter.
    pub filtered: TopicName,
    /// Products whose images are complete.
    pub complete: TopicName,
    /// The filter itself: a small compacted topic, see [`filter_topic_of`].
    pub filter: TopicName,
}

/// Whether a record may go on to the filtered topic as it is.
pub type CheckForward = dyn Fn(&[u8]) -> Result<(), CodecError> + Send + Sync;

/// What the graph needs beside its topics.
pub struct FilterParts<P, S> {
    /// Reads products, and writes complete ones.
    pub product: P,
    /// Keeps the table's states.
    pub state: S,
    /// Sees to it that what is passed on can be read there.
    pub check_forward: Arc<CheckForward>,
    /// Whether the filter minds capitals.
    pub case: Case,
}

/// The topic of a group's filter: `<group>-filter`.
///
/// # Errors
/// When the group's name is not allowed in a topic's.
pub fn filter_topic_of(group: &str) -> Result<TopicName, millstream_model::TopicNameError> {
    TopicName::new(format!("{group}-filter"))
}

/// The stream's group: passes on the products whose name passes the filter, and each product once when its images are
/// complete; its table holds each product's latest version, how often it was seen, and its images so far.
///
/// A tombstone deletes the product here and in the filtered topic. A value that is a product by its schema and none by the
/// shop's rules, such as one with an empty id, is set aside like one that can't be read.
///
/// # Errors
/// When the group's name or the topics make no group.
pub fn filter_graph<P, S>(
    group: &str,
    topics: &FilterTopics,
    parts: FilterParts<P, S>,
) -> Result<GroupGraph, GraphError>
where
    P: for<'a> Codec<Value<'a> = ProductWire<'a>> + Clone,
    S: for<'a> Codec<Value<'a> = ProductStateWire<'a>> + Clone,
{
    let table = Table::new(parts.state);
    let filter = Arc::new(Lookup::new(topics.filter.as_str(), Utf8, Utf8));
    let filtered = Output::new(topics.filtered.as_str(), Utf8, Nullable(parts.product.clone()));
    let complete = Output::new(topics.complete.as_str(), Utf8, parts.product.clone());
    let flow = Flow {
        table: table.clone(),
        filter: filter.clone(),
        filtered: filtered.clone(),
        complete: complete.clone(),
        check_forward: parts.check_forward,
        current: RwLock::new(Arc::new(NameFilter::new("", parts.case))),
    };
    GroupGraph::define(group)
        .input(
            topics.products.as_str(),
            Utf8,
            Nullable(Sound(parts.product)),
            move |context, key: &str, product: Option<ProductWire<'_>>| flow.take(context, key, product),
        )
        .persist(&table)
        .lookup(&filter)
        .output(&filtered)
        .output(&complete)
        .build()
}

struct Flow<P, S> {
    table: Table<S>,
    filter: Arc<Lookup<Utf8, Utf8>>,
    filtered: Output<Utf8, Nullable<P>>,
    complete: Output<Utf8, P>,
    check_forward: Arc<CheckForward>,
    /// The filter last seen, prepared; most records come under the same one.
    current: RwLock<Arc<NameFilter>>,
}

impl<P, S> Flow<P, S>
where
    P: for<'a> Codec<Value<'a> = ProductWire<'a>>,
    S: for<'a> Codec<Value<'a> = ProductStateWire<'a>>,
{
    fn take(&self, context: &mut Context<'_>, key: &str, product: Option<ProductWire<'_>>) -> CallbackResult {
        let Some(product) = product else {
            context.delete(&self.table)?;
            return Ok(context.emit(&self.filtered, &key, &None)?);
        };
        if self.filter(context)?.passes(product.name.as_str()) {
            (self.check_forward)(context.value_bytes().unwrap_or_default())?;
            context.forward(&self.filtered)?;
        }
        self.observe(context, key, product)
    }

    fn observe(&self, context: &mut Context<'_>, key: &str, product: ProductWire<'_>) -> CallbackResult {
        let at = context.offset();
        let mut state = context.get(&self.table)?.map(ProductStateWire::into_state).transpose()?;
        let observation = ProductState::observe(&mut state, product.into_product()?, at);
        let became_complete = observation.became_complete.cloned();
        if let Some(product) = &became_complete {
            context.emit(&self.complete, &key, &ProductWire::from(product))?;
        }
        match &state {
            Some(state) => Ok(context.set(&self.table, &ProductStateWire::from(state))?),
            None => Ok(()),
        }
    }

    /// The filter of this moment, as this instance's copy of the filter topic has it.
    fn filter(
        &self,
        context: &mut Context<'_>,
    ) -> Result<Arc<NameFilter>, Box<dyn std::error::Error + Send + Sync>> {
        let known = self.current.read().unwrap_or_else(PoisonError::into_inner).clone();
        let changed = context.lookup(&self.filter, &FILTER_KEY, |text| {
            let text = text.unwrap_or_default();
            (text != known.text()).then(|| Arc::new(NameFilter::new(text, known.case())))
        })?;
        let Some(changed) = changed else { return Ok(known) };
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = changed.clone();
        Ok(changed)
    }
}
