//! Answers to requests, one function a kind.

use std::io;
use std::net::SocketAddr;

use bytes::BytesMut;
use kafka_protocol::messages::{ApiKey, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};

use crate::outgoing::Outgoing;
use crate::state::State;
use crate::wire::{Frame, FrameError};

mod administration;
mod cluster;
mod commits;
mod configs;
mod errors;
mod fetch;
mod groups;
mod offsets;
mod produce;
mod topics;
mod transactions;

/// The one node's number.
pub(crate) const NODE: i32 = 1;

/// A request, and who makes it.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) state: &'a State,
    pub(crate) peer: SocketAddr,
    /// Where this client reached the broker, and is told to find it.
    pub(crate) advertised: SocketAddr,
    pub(crate) frame: &'a Frame,
}

/// What to send; nothing where nothing is expected.
type Answer = io::Result<Option<Outgoing>>;

/// Answers a request; an error closes the connection.
pub(crate) fn answer(call: &Call<'_>) -> Answer {
    match call.frame.key {
        ApiKey::Produce => call.reply_or_not(produce::produce),
        ApiKey::Fetch => fetch::fetch(call),
        ApiKey::ListOffsets => call.reply(offsets::list),
        ApiKey::OffsetForLeaderEpoch => call.reply(offsets::for_leader_epoch),
        ApiKey::DeleteRecords => call.reply(offsets::delete_records),
        ApiKey::Metadata => call.reply(cluster::metadata),
        ApiKey::DescribeCluster => call.reply(cluster::describe),
        ApiKey::ApiVersions => cluster::api_versions(call),
        ApiKey::CreateTopics => call.reply(topics::create),
        ApiKey::DeleteTopics => call.reply(topics::delete),
        ApiKey::CreatePartitions => call.reply(topics::create_partitions),
        ApiKey::DescribeConfigs => call.reply(configs::describe),
        ApiKey::AlterConfigs => call.reply(configs::alter),
        ApiKey::IncrementalAlterConfigs => call.reply(configs::alter_incrementally),
        _ => answer_group_or_transaction(call),
    }
}

fn answer_group_or_transaction(call: &Call<'_>) -> Answer {
    match call.frame.key {
        ApiKey::FindCoordinator => call.reply(cluster::find_coordinator),
        ApiKey::JoinGroup => call.reply_or_not(groups::join),
        ApiKey::SyncGroup => call.reply_or_not(groups::sync),
        ApiKey::Heartbeat => call.reply(groups::heartbeat),
        ApiKey::LeaveGroup => call.reply(groups::leave),
        ApiKey::ListGroups => call.reply(administration::list_groups),
        ApiKey::DescribeGroups => call.reply(administration::describe_groups),
        ApiKey::DeleteGroups => call.reply(administration::delete_groups),
        ApiKey::OffsetCommit => call.reply(commits::commit),
        ApiKey::OffsetFetch => call.reply(commits::fetch),
        ApiKey::OffsetDelete => call.reply(commits::delete),
        ApiKey::InitProducerId => call.reply(transactions::init_producer_id),
        ApiKey::AddPartitionsToTxn => call.reply(transactions::add_partitions),
        ApiKey::AddOffsetsToTxn => call.reply(transactions::add_offsets),
        ApiKey::TxnOffsetCommit => call.reply(transactions::commit_offsets),
        ApiKey::EndTxn => call.reply(transactions::end),
        ApiKey::DescribeLogDirs => call.reply(administration::describe_log_dirs),
        ApiKey::DescribeProducers => call.reply(administration::describe_producers),
        ApiKey::DescribeTransactions => call.reply(administration::describe_transactions),
        ApiKey::ListTransactions => call.reply(administration::list_transactions),
        _ => Err(invalid(call.frame.malformed())),
    }
}

fn invalid(error: FrameError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Call<'_> {
    pub(crate) fn version(&self) -> i16 {
        self.frame.version
    }

    fn decode<Q: Decodable>(&self) -> io::Result<Q> {
        Q::decode(&mut self.frame.body.clone(), self.version()).map_err(|_| invalid(self.frame.malformed()))
    }

    fn reply<Q: Decodable, R: Encodable>(&self, handle: impl FnOnce(&Self, &Q) -> R) -> Answer {
        let response = handle(self, &self.decode()?);
        self.encode(&response, self.version()).map(Some)
    }

    fn reply_or_not<Q: Decodable, R: Encodable>(
        &self,
        handle: impl FnOnce(&Self, &Q) -> io::Result<Option<R>>,
    ) -> Answer {
        let response = handle(self, &self.decode()?)?;
        response.map(|response| self.encode(&response, self.version())).transpose()
    }

    fn encode<R: Encodable>(&self, response: &R, version: i16) -> io::Result<Outgoing> {
        let mut bytes = BytesMut::new();
        let header = ResponseHeader::default().with_correlation_id(self.frame.correlation);
        let header_version = self.frame.key.response_header_version(version);
        header.encode(&mut bytes, header_version).map_err(io::Error::other)?;
        response.encode(&mut bytes, version).map_err(io::Error::other)?;
        Outgoing::new(vec![bytes.into()])
    }
}

/// A string as messages hold it.
fn text(string: impl Into<String>) -> StrBytes {
    StrBytes::from_string(string.into())
}
