use std::sync::Arc;
use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::KeyRange;
use millstream_runtime::{Answer, Owners, Page, QueryError, Reached, Status, TableClient, ViewClient};
use millstream_topology::Partitioner;
use serde_json::{Map, Value, json};

use crate::tables::{KeyForm, Label, LocalTable, ServedTable, ServedView, ToJson};

/// What is served under a name.
pub(super) struct Served {
    pub(super) name: String,
    pub(super) key: KeyForm,
    pub(super) value: ToJson,
    /// Tells keys to people, where these are not told in addresses as they are.
    pub(super) label: Option<Label>,
    source: Source,
}

enum Source {
    /// Of a group: this process has some partitions, and others have the rest.
    Group { client: TableClient, owners: Arc<Owners>, partitioner: Partitioner },
    /// Of a group, the partitions of this process alone.
    Local { client: TableClient, status: Arc<Status> },
    /// A copy of all of it.
    View(ViewClient),
}

impl Served {
    pub(super) fn table(table: ServedTable) -> Self {
        let ServedTable { name, client, owners, partitioner, key, value } = table;
        Self { name, key, value, label: None, source: Source::Group { client, owners, partitioner } }
    }

    pub(super) fn local(table: LocalTable) -> Self {
        let LocalTable { name, client, status, label, value } = table;
        let source = Source::Local { client, status };
        Self { name, key: KeyForm::Base64, value, label: Some(label), source }
    }

    pub(super) fn view(view: ServedView) -> Self {
        let ServedView { name, client, key, value } = view;
        Self { name, key, value, label: None, source: Source::View(client) }
    }

    /// The partitions that are asked where none are named.
    pub(super) fn partitions(&self) -> Vec<Partition> {
        match &self.source {
            Source::Local { status, .. } => own_partitions(status),
            Source::Group { .. } | Source::View(_) => (0..self.width()).map(Partition::new).collect(),
        }
    }

    /// How many partitions it has, as far as is known here.
    pub(super) fn width(&self) -> u32 {
        match &self.source {
            Source::Group { owners, .. } => owners.width(),
            Source::Local { status, .. } => width_of(status),
            Source::View(client) => client.partitions(),
        }
    }

    /// What this process is to the table.
    pub(super) fn role(&self) -> &'static str {
        match &self.source {
            Source::Group { .. } | Source::Local { .. } => "owner",
            Source::View(_) => "view",
        }
    }

    /// The address of this process, where it is known.
    pub(super) fn own(&self) -> Option<&str> {
        match &self.source {
            Source::Group { owners, .. } => Some(owners.own()),
            Source::Local { .. } | Source::View(_) => None,
        }
    }

    /// Who has the partition, where that is announced.
    pub(super) fn owner_of(&self, partition: Partition) -> Option<String> {
        match &self.source {
            Source::Group { owners, .. } => owners.of(partition),
            Source::Local { .. } | Source::View(_) => None,
        }
    }

    /// Who has which partition.
    pub(super) fn owners(&self) -> Map<String, Value> {
        let Source::Group { owners, .. } = &self.source else { return Map::new() };
        owners.all().into_iter().map(|(partition, address)| (partition.to_string(), json!(address))).collect()
    }

    pub(super) fn partition_of(&self, key: &[u8]) -> Result<Partition, QueryError> {
        match &self.source {
            Source::Group { partitioner, owners, .. } => {
                Ok(Partition::new(partitioner.partition(key, owners.width())))
            }
            Source::Local { client, status } => found_in(client, status, key),
            Source::View(client) => client.partition_of(key),
        }
    }

    pub(super) fn find(
        &self,
        partition: Partition,
        key: &[u8],
        after: Option<&Reached>,
        patience: Duration,
    ) -> Result<Answer<Option<Vec<u8>>>, QueryError> {
        match &self.source {
            Source::Group { client, .. } | Source::Local { client, .. } => {
                client.find(partition, key, after, patience)
            }
            Source::View(client) => client.find(partition, key, after, patience),
        }
    }

    pub(super) fn page(
        &self,
        partition: Partition,
        range: &KeyRange,
        limit: usize,
    ) -> Result<Answer<Page>, QueryError> {
        match &self.source {
            Source::Group { client, .. } | Source::Local { client, .. } => {
                client.page(partition, range, limit)
            }
            Source::View(client) => client.page(partition, range, limit),
        }
    }

    pub(super) fn count(&self, partition: Partition, range: &KeyRange) -> Result<Answer<u64>, QueryError> {
        match &self.source {
            Source::Group { client, .. } | Source::Local { client, .. } => {
                client.count_range(partition, range)
            }
            Source::View(client) => client.count_range(partition, range),
        }
    }
}

fn own_partitions(status: &Status) -> Vec<Partition> {
    status.snapshot().partitions.iter().map(|one| one.partition).collect()
}

fn width_of(status: &Status) -> u32 {
    own_partitions(status).last().and_then(|last| u32::try_from(last.index() + 1).ok()).unwrap_or(0)
}

/// Where a key is whose place only its writer knows: the first partition that has it, or the first of all.
fn found_in(client: &TableClient, status: &Status, key: &[u8]) -> Result<Partition, QueryError> {
    let own = own_partitions(status);
    for partition in &own {
        if client.find(*partition, key, None, Duration::ZERO)?.content.is_some() {
            return Ok(*partition);
        }
    }
    Ok(own.first().copied().unwrap_or_default())
}
