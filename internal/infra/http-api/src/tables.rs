//! Tables over HTTP: a key, a span of keys, how many there are. A request to any instance is passed on to the owner.

mod answer;
mod ask;
mod form;
mod peers;
mod routes;
mod served;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use millstream_runtime::{Owners, Status, TableClient, ViewClient};
use millstream_topology::Partitioner;

use crate::problem::Problem;
use crate::tables::served::Served;

pub use form::{KeyForm, Label, ToJson};
pub(crate) use peers::PASSED_ON;
pub use peers::Peers;
pub(crate) use routes::router;

/// A group's table as it is served.
pub struct ServedTable {
    /// What it is called in addresses, such as the changelog's name.
    pub name: String,
    /// Asks the partitions of this process.
    pub client: TableClient,
    /// Knows who has the others.
    pub owners: Arc<Owners>,
    /// How the group's inputs are partitioned: by it a key's partition is found.
    pub partitioner: Partitioner,
    /// How keys are written in addresses and answers.
    pub key: KeyForm,
    /// How values are told.
    pub value: ToJson,
}

/// A view as it is served: a copy of a whole table, of any group or of none, that this process answers for by itself.
pub struct ServedView {
    /// What it is called in addresses, such as the table's topic.
    pub name: String,
    /// Asks the copy.
    pub client: ViewClient,
    /// How keys are written in addresses and answers.
    pub key: KeyForm,
    /// How values are told.
    pub value: ToJson,
}

/// The part of a group's table that this process has, as it is served: what other instances have is asked of them.
pub struct LocalTable {
    /// What it is called in addresses, such as the changelog's name.
    pub name: String,
    /// Asks the partitions of this process.
    pub client: TableClient,
    /// Knows which these are.
    pub status: Arc<Status>,
    /// Tells keys to people; in addresses they are in base64.
    pub label: Label,
    /// How values are told.
    pub value: ToJson,
}

/// The tables that a server answers for. A cheap handle: tables may be added once their processors run.
#[derive(Clone)]
pub struct Tables {
    list: Arc<RwLock<BTreeMap<String, Arc<Served>>>>,
    peers: Peers,
}

impl Tables {
    /// No tables yet; `peers` asks other instances.
    pub fn new(peers: Peers) -> Self {
        Self { list: Arc::default(), peers }
    }

    /// Answers for `table` from now on.
    pub fn serve(&self, table: ServedTable) {
        self.add(Served::table(table));
    }

    /// Answers for `view` from now on. What is asked of it is asked as of a group's table, and never passed on.
    pub fn serve_view(&self, view: ServedView) {
        self.add(Served::view(view));
    }

    /// Answers for the partitions of `table` that this process has, from now on.
    pub fn serve_local(&self, table: LocalTable) {
        self.add(Served::local(table));
    }

    fn add(&self, table: Served) {
        let mut list = self.list.write().unwrap_or_else(PoisonError::into_inner);
        list.insert(table.name.clone(), Arc::new(table));
    }

    /// Answers for the table of this name no more; answers whether it did.
    pub fn withdraw(&self, name: &str) -> bool {
        self.list.write().unwrap_or_else(PoisonError::into_inner).remove(name).is_some()
    }

    fn all(&self) -> Vec<Arc<Served>> {
        self.list.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    fn named(&self, name: &str) -> Result<Arc<Served>, Problem> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        if list.is_empty() {
            return Err(Problem::unavailable("starting", "the tables are not served yet"));
        }
        list.get(name).cloned().ok_or_else(|| {
            let known: Vec<_> = list.keys().map(String::as_str).collect();
            let message = format!("there is no table '{name}'; there are: {}", known.join(", "));
            Problem::missing("no_such_table", message)
        })
    }
}
