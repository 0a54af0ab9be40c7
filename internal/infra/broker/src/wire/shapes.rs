//! The requests that are understood: their versions and shapes, from Kafka's message definitions.

use kafka_protocol::messages::ApiKey;

use super::shape::Field::{Blob, Fixed, List, Numbers, Text, Texts};
use super::shape::{Field, Part, Shape};

/// A kind of request.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) key: ApiKey,
    pub(crate) min: i16,
    pub(crate) max: i16,
    pub(crate) shape: Shape,
}

/// A request by its number.
pub(crate) fn find(key: i16) -> Option<&'static Api> {
    APIS.iter().find(|api| api.key as i16 == key)
}

const fn api(key: ApiKey, min: i16, max: i16, shape: Shape) -> Api {
    Api { key, min, max, shape }
}

/// A field of all versions.
const fn all(field: Field) -> Part {
    (field, 0, i16::MAX)
}

/// A field that came with a version.
const fn since(min: i16, field: Field) -> Part {
    (field, min, i16::MAX)
}

/// A field that went after a version.
const fn until(max: i16, field: Field) -> Part {
    (field, 0, max)
}

/// What these are and no more: versions in which brokers speak to each other, in which groups are of the new protocol, and in
/// which transactions are of version 2 (KIP-890) are not among them.
pub(crate) static APIS: &[Api] = &[
    api(ApiKey::Produce, 3, 11, PRODUCE),
    api(ApiKey::Fetch, 4, 17, FETCH),
    api(ApiKey::ListOffsets, 1, 10, LIST_OFFSETS),
    api(ApiKey::Metadata, 0, 13, METADATA),
    api(ApiKey::OffsetCommit, 2, 9, OFFSET_COMMIT),
    api(ApiKey::OffsetFetch, 1, 9, OFFSET_FETCH),
    api(ApiKey::FindCoordinator, 0, 6, FIND_COORDINATOR),
    api(ApiKey::JoinGroup, 0, 9, JOIN_GROUP),
    api(ApiKey::Heartbeat, 0, 4, &[all(Text), all(I32), all(Text), since(3, Text)]),
    api(ApiKey::LeaveGroup, 0, 5, LEAVE_GROUP),
    api(ApiKey::SyncGroup, 0, 5, SYNC_GROUP),
    api(ApiKey::DescribeGroups, 0, 6, &[all(Texts), since(3, I8)]),
    api(ApiKey::ListGroups, 0, 5, &[since(4, Texts), since(5, Texts)]),
    api(ApiKey::ApiVersions, 0, 4, &[since(3, Text), since(3, Text)]),
    api(ApiKey::CreateTopics, 2, 7, CREATE_TOPICS),
    api(ApiKey::DeleteTopics, 1, 6, DELETE_TOPICS),
    api(ApiKey::DeleteRecords, 0, 2, &[all(List(&[all(Text), all(List(&[all(I32), all(I64)]))])), all(I32)]),
    api(ApiKey::InitProducerId, 0, 5, &[all(Text), all(I32), since(3, I64), since(3, I16)]),
    api(ApiKey::OffsetForLeaderEpoch, 2, 4, OFFSET_FOR_LEADER_EPOCH),
    api(ApiKey::AddPartitionsToTxn, 0, 3, &[all(Text), all(I64), all(I16), all(List(PLACES))]),
    api(ApiKey::AddOffsetsToTxn, 0, 4, &[all(Text), all(I64), all(I16), all(Text)]),
    api(ApiKey::EndTxn, 0, 4, &[all(Text), all(I64), all(I16), all(I8)]),
    api(ApiKey::TxnOffsetCommit, 0, 4, TXN_OFFSET_COMMIT),
    api(
        ApiKey::DescribeConfigs,
        1,
        4,
        &[all(List(&[all(I8), all(Text), all(Texts)])), all(I8), since(3, I8)],
    ),
    api(ApiKey::AlterConfigs, 0, 2, &[all(List(&[all(I8), all(Text), all(List(PAIRS))])), all(I8)]),
    api(ApiKey::DescribeLogDirs, 1, 4, &[all(List(PLACES))]),
    api(ApiKey::CreatePartitions, 0, 3, CREATE_PARTITIONS),
    api(ApiKey::DeleteGroups, 0, 2, &[all(Texts)]),
    api(ApiKey::IncrementalAlterConfigs, 0, 1, INCREMENTAL_ALTER_CONFIGS),
    api(ApiKey::OffsetDelete, 0, 0, &[all(Text), all(List(&[all(Text), all(List(&[all(I32)]))]))]),
    api(ApiKey::DescribeCluster, 0, 2, &[all(I8), since(1, I8), since(2, I8)]),
    api(ApiKey::DescribeProducers, 0, 0, &[all(List(PLACES))]),
    api(ApiKey::DescribeTransactions, 0, 0, &[all(Texts)]),
    api(ApiKey::ListTransactions, 0, 2, &[all(Texts), all(Numbers(8)), since(1, I64), since(2, Text)]),
];

const I8: Field = Fixed(1);
const I16: Field = Fixed(2);
const I32: Field = Fixed(4);
const I64: Field = Fixed(8);
const ID: Field = Fixed(16);

/// A topic and numbers of its partitions.
const PLACES: Shape = &[all(Text), all(Numbers(4))];

/// A name and a value.
const PAIRS: Shape = &[all(Text), all(Text)];

const PRODUCE: Shape =
    &[all(Text), all(I16), all(I32), all(List(&[all(Text), all(List(&[all(I32), all(Blob)]))]))];

const FETCH: Shape = &[
    until(14, I32),
    all(I32),
    all(I32),
    all(I32),
    all(I8),
    since(7, I32),
    since(7, I32),
    all(List(&[until(12, Text), since(13, ID), all(List(FETCH_PARTITION))])),
    since(7, List(&[until(12, Text), since(13, ID), all(Numbers(4))])),
    since(11, Text),
];

const FETCH_PARTITION: Shape = &[all(I32), since(9, I32), all(I64), since(12, I32), since(5, I64), all(I32)];

const LIST_OFFSETS: Shape = &[
    all(I32),
    since(2, I8),
    all(List(&[all(Text), all(List(&[all(I32), since(4, I32), all(I64)]))])),
    since(10, I32),
];

const METADATA: Shape = &[all(List(&[since(10, ID), all(Text)])), since(4, I8), (I8, 8, 10), since(8, I8)];

const OFFSET_COMMIT: Shape = &[
    all(Text),
    all(I32),
    all(Text),
    since(7, Text),
    until(4, I64),
    all(List(&[all(Text), all(List(&[all(I32), all(I64), since(6, I32), all(Text)]))])),
];

const OFFSET_FETCH: Shape = &[
    until(7, Text),
    until(7, List(PLACES)),
    since(8, List(&[all(Text), since(9, Text), since(9, I32), all(List(PLACES))])),
    since(7, I8),
];

const FIND_COORDINATOR: Shape = &[until(3, Text), since(1, I8), since(4, Texts)];

const JOIN_GROUP: Shape = &[
    all(Text),
    all(I32),
    since(1, I32),
    all(Text),
    since(5, Text),
    all(Text),
    all(List(&[all(Text), all(Blob)])),
    since(8, Text),
];

const LEAVE_GROUP: Shape =
    &[all(Text), until(2, Text), since(3, List(&[all(Text), all(Text), since(5, Text)]))];

const SYNC_GROUP: Shape = &[
    all(Text),
    all(I32),
    all(Text),
    since(3, Text),
    since(5, Text),
    since(5, Text),
    all(List(&[all(Text), all(Blob)])),
];

const CREATE_TOPICS: Shape = &[
    all(List(&[all(Text), all(I32), all(I16), all(List(&[all(I32), all(Numbers(4))])), all(List(PAIRS))])),
    all(I32),
    all(I8),
];

const DELETE_TOPICS: Shape = &[since(6, List(&[all(Text), all(ID)])), until(5, Texts), all(I32)];

const OFFSET_FOR_LEADER_EPOCH: Shape =
    &[since(3, I32), all(List(&[all(Text), all(List(&[all(I32), all(I32), all(I32)]))]))];

const TXN_OFFSET_COMMIT: Shape = &[
    all(Text),
    all(Text),
    all(I64),
    all(I16),
    since(3, I32),
    since(3, Text),
    since(3, Text),
    all(List(&[all(Text), all(List(&[all(I32), all(I64), since(2, I32), all(Text)]))])),
];

const CREATE_PARTITIONS: Shape =
    &[all(List(&[all(Text), all(I32), all(List(&[all(Numbers(4))]))])), all(I32), all(I8)];

const INCREMENTAL_ALTER_CONFIGS: Shape =
    &[all(List(&[all(I8), all(Text), all(List(&[all(Text), all(I8), all(Text)]))])), all(I8)];
