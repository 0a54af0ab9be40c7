//! Members of groups: they join, learn their part, say that they live, and go.

use std::io;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest,
    LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use millstream_cluster::{Fault, Identity, Join, Joined, Phase, Reply, Sync, Synced};
use uuid::Uuid;

use super::errors::of_fault;
use super::{Call, text};

/// The shortest and the longest time after which a silent member is dead.
const SESSION_MS: std::ops::RangeInclusive<i32> = 500..=1_800_000;

/// How long an empty group waits for more than its first member. The members of one process come within milliseconds.
const COMPANY_MS: u64 = 100;

/// What is said to those who wait when the broker stops.
fn stopping() -> io::Error {
    io::Error::new(io::ErrorKind::Interrupted, "the broker is stopping")
}

fn optional(string: Option<&StrBytes>) -> Option<String> {
    string.map(ToString::to_string)
}

fn millis(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

pub(super) fn join(call: &Call<'_>, request: &JoinGroupRequest) -> io::Result<Option<JoinGroupResponse>> {
    let version = call.version();
    let refused = |error: ResponseError, member: StrBytes| {
        let response = JoinGroupResponse::default().with_error_code(error.code()).with_generation_id(-1);
        let name = (version < 7).then(StrBytes::new);
        Ok(Some(response.with_member_id(member).with_protocol_name(name)))
    };
    if request.group_id.is_empty() {
        return refused(ResponseError::InvalidGroupId, request.member_id.clone());
    }
    if !SESSION_MS.contains(&request.session_timeout_ms) {
        return refused(ResponseError::InvalidSessionTimeout, request.member_id.clone());
    }
    let prefix = request.group_instance_id.as_ref().map_or(call.frame.client_id.as_str(), |id| id.as_str());
    let fresh = format!("{prefix}-{}", Uuid::new_v4());
    let (state, now) = (call.state, call.state.clock.now());
    let wish = wish(call, request, &fresh);
    let reply = state.groups.ask(
        &request.group_id,
        |group, ticket| {
            group.join(now, Join { ticket, ..wish });
            if group.phase() == Phase::Stable {
                // A member came back by its name, under a new id.
                state.note_members(&request.group_id, group);
            }
        },
        |deadline| {
            state.alarm.set(deadline);
        },
    );
    match reply.ok_or_else(stopping)? {
        Reply::Join(Ok(joined)) => Ok(Some(told(joined, version))),
        Reply::Join(Err(Fault::MemberIdRequired)) => refused(ResponseError::MemberIdRequired, text(fresh)),
        Reply::Join(Err(fault)) => refused(of_fault(fault), request.member_id.clone()),
        Reply::Sync(_) => Err(io::Error::other("a join was answered as something else")),
    }
}

fn wish(call: &Call<'_>, request: &JoinGroupRequest, fresh: &str) -> Join {
    let protocols = request.protocols.iter();
    // Before version 1 the session's time is that of a rebalance too.
    let rebalance_ms =
        if call.version() == 0 { request.session_timeout_ms } else { request.rebalance_timeout_ms };
    Join {
        member: request.member_id.to_string(),
        fresh: fresh.to_owned(),
        instance: optional(request.group_instance_id.as_ref()),
        client_id: call.frame.client_id.clone(),
        client_host: format!("/{}", call.peer.ip()),
        session_ms: millis(request.session_timeout_ms),
        rebalance_ms: millis(rebalance_ms),
        company_ms: COMPANY_MS,
        protocol_type: request.protocol_type.to_string(),
        protocols: protocols
            .map(|protocol| (protocol.name.to_string(), protocol.metadata.to_vec()))
            .collect(),
        needs_id: call.version() >= 4,
        can_skip: call.version() >= 9,
        ticket: 0,
    }
}

fn told(joined: Joined, version: i16) -> JoinGroupResponse {
    let member = |member: millstream_cluster::JoinedMember| {
        JoinGroupResponseMember::default()
            .with_member_id(text(member.id))
            .with_group_instance_id(member.instance.map(text))
            .with_metadata(Bytes::from(member.metadata))
    };
    JoinGroupResponse::default()
        .with_generation_id(joined.generation)
        .with_protocol_type(Some(text(joined.protocol_type)).filter(|_| version >= 7))
        .with_protocol_name(Some(text(joined.protocol)))
        .with_leader(text(joined.leader))
        .with_skip_assignment(joined.skip_assignment)
        .with_member_id(text(joined.member))
        .with_members(joined.members.into_iter().map(member).collect())
}

pub(super) fn sync(call: &Call<'_>, request: &SyncGroupRequest) -> io::Result<Option<SyncGroupResponse>> {
    let (state, now, id) = (call.state, call.state.clock.now(), request.group_id.to_string());
    if !state.groups.lock().all.contains_key(&id) {
        return Ok(Some(SyncGroupResponse::default().with_error_code(ResponseError::UnknownMemberId.code())));
    }
    let parts = request.assignments.iter();
    let sync = Sync {
        identity: identity(&request.member_id, request.group_instance_id.as_ref(), request.generation_id),
        protocol_type: request.protocol_type.as_deref(),
        protocol: request.protocol_name.as_deref(),
        assignments: parts.map(|part| (part.member_id.to_string(), part.assignment.to_vec())).collect(),
        ticket: 0,
    };
    let ask = |group: &mut millstream_cluster::Group, ticket| {
        let before = group.phase();
        group.sync(now, Sync { ticket, ..sync });
        if (before, group.phase()) == (Phase::CompletingRebalance, Phase::Stable) {
            // Before anybody is told its part.
            state.note_members(&id, group);
        }
    };
    let reply = state.groups.ask(&id, ask, |deadline| state.alarm.set(deadline)).ok_or_else(stopping)?;
    match reply {
        Reply::Sync(Ok(synced)) => Ok(Some(part_of(synced, call.version()))),
        Reply::Sync(Err(fault)) => {
            Ok(Some(SyncGroupResponse::default().with_error_code(of_fault(fault).code())))
        }
        Reply::Join(_) => Err(io::Error::other("a sync was answered as something else")),
    }
}

fn part_of(synced: Synced, version: i16) -> SyncGroupResponse {
    SyncGroupResponse::default()
        .with_protocol_type(Some(text(synced.protocol_type)).filter(|_| version >= 5))
        .with_protocol_name(Some(text(synced.protocol)).filter(|_| version >= 5))
        .with_assignment(Bytes::from(synced.assignment))
}

pub(super) fn identity<'a>(
    member: &'a StrBytes,
    instance: Option<&'a StrBytes>,
    generation: i32,
) -> Identity<'a> {
    Identity { member: member.as_str(), instance: instance.map(StrBytes::as_str), generation }
}

pub(super) fn heartbeat(call: &Call<'_>, request: &HeartbeatRequest) -> HeartbeatResponse {
    let now = call.state.clock.now();
    let identity = identity(&request.member_id, request.group_instance_id.as_ref(), request.generation_id);
    let mut groups = call.state.groups.lock();
    let entry = groups.all.get_mut(request.group_id.as_str());
    let alive = entry.ok_or(Fault::UnknownMember).and_then(|entry| entry.group.heartbeat(now, identity));
    HeartbeatResponse::default().with_error_code(alive.map_or_else(|fault| of_fault(fault).code(), |()| 0))
}

pub(super) fn leave(call: &Call<'_>, request: &LeaveGroupRequest) -> LeaveGroupResponse {
    let (now, id) = (call.state.clock.now(), request.group_id.as_str());
    let mut groups = call.state.groups.lock();
    let mut go = |member: &str, instance: Option<&str>| {
        let entry = groups.all.get_mut(id).ok_or(Fault::UnknownMember);
        let gone = entry.and_then(|entry| {
            let gone = entry.group.leave(now, member, instance)?;
            call.state.note_members(id, &entry.group);
            Ok(gone)
        });
        if let Some(deadline) = groups.hand_out(id) {
            call.state.alarm.set(deadline);
        }
        gone.map_or_else(|fault| of_fault(fault).code(), |_| 0)
    };
    if call.version() < 3 {
        return LeaveGroupResponse::default().with_error_code(go(&request.member_id, None));
    }
    let members = request.members.iter().map(|member| {
        let code = go(&member.member_id, member.group_instance_id.as_deref());
        MemberResponse::default()
            .with_member_id(member.member_id.clone())
            .with_group_instance_id(member.group_instance_id.clone())
            .with_error_code(code)
    });
    let members = members.collect();
    LeaveGroupResponse::default().with_members(members)
}
