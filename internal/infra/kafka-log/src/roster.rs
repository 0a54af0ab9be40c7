use std::sync::Mutex;
use std::time::Duration;

use millstream_model::Partition;
use millstream_ports::{GroupMember, PortError};
use rdkafka::consumer::{BaseConsumer, Consumer};

use crate::KafkaLog;
use crate::client::{PlainContext, locked};
use crate::failure::port_error;

/// How long the brokers may take to describe a group.
const ANSWER_WAIT: Duration = Duration::from_secs(5);

/// The state of a group whose members know their parts.
const STABLE: &str = "Stable";

/// Asks who is in a group. It has one client for all questions, made with the first.
#[derive(Default)]
pub(crate) struct Roster(Mutex<Option<BaseConsumer<PlainContext>>>);

impl Roster {
    pub(crate) fn members(&self, log: &KafkaLog, group: &str) -> Result<Option<Vec<GroupMember>>, PortError> {
        if !log.is_classic() {
            // The client can't read what KIP-848's groups say of themselves.
            return Ok(None);
        }
        let mut asked = locked(&self.0);
        let client = match asked.take() {
            Some(client) => client,
            None => log.probe()?,
        };
        let found = client.fetch_group_list(Some(group), ANSWER_WAIT);
        *asked = Some(client);
        let attempt = format!("could not ask who is in group '{group}'");
        let found = found.map_err(|error| PortError::retry(port_error(attempt, &error).to_string()))?;
        let described = found.groups().iter().find(|found| found.name() == group && found.state() == STABLE);
        let Some(described) = described else {
            return Err(PortError::retry(format!("group '{group}' is dividing its partitions")));
        };
        let mut members: Vec<_> = described
            .members()
            .iter()
            .map(|member| {
                // The worker's number is at the end of the name.
                let process =
                    member.client_id().rsplit_once('-').map_or(member.client_id(), |(process, _)| process);
                let partitions = partitions_of(member.assignment().unwrap_or_default());
                let is_here = log.client_name(group, 0).strip_suffix("-0") == Some(process);
                (member.id().to_owned(), GroupMember { process: process.to_owned(), is_here, partitions })
            })
            .collect();
        members.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(Some(members.into_iter().map(|(_, member)| member).collect()))
    }
}

/// The partitions in an assignment of the consumers' protocol: version, then topics with their partitions. The group divides
/// one topic only.
fn partitions_of(assignment: &[u8]) -> Vec<Partition> {
    read_assignment(assignment).unwrap_or_default()
}

fn read_assignment(mut bytes: &[u8]) -> Option<Vec<Partition>> {
    let rest = &mut bytes;
    let _version = take(rest, 2)?;
    let mut partitions = Vec::new();
    for _ in 0..number(rest)? {
        let name = i16::from_be_bytes(take(rest, 2)?.try_into().ok()?);
        take(rest, usize::try_from(name).ok()?)?;
        for _ in 0..number(rest)? {
            partitions.push(Partition::new(number(rest)?));
        }
    }
    Some(partitions)
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count)?;
    *rest = left;
    Some(taken)
}

fn number(rest: &mut &[u8]) -> Option<u32> {
    u32::try_from(i32::from_be_bytes(take(rest, 4)?.try_into().ok()?)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assignment_is_read_and_what_is_none_is_empty() {
        let assignment = b"\0\x01\0\0\0\x01\0\x02in\0\0\0\x02\0\0\0\x03\0\0\0\x05\xff\xff\xff\xff";
        assert_eq!(partitions_of(assignment), [3, 5].map(Partition::new));
        for end in 0..22 {
            assert_eq!(partitions_of(&assignment[..end]), [], "cut off after {end} bytes");
        }
        assert_eq!(partitions_of(b""), []);
        assert_eq!(partitions_of(&[0xff; 40]), []);
    }
}
