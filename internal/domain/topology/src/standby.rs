use std::collections::{BTreeMap, BTreeSet};

use millstream_model::Partition;
use millstream_ports::GroupMember;

/// Which processes stand by for each partition: `copies` of them, or all others where there are fewer, the likeliest heir
/// first.
///
/// The group gives what a lost process had to the members that have the fewest, one partition after another from the highest
/// number down, as librdkafka's cooperative assignor does; the first standby follows that. It is a guess where several are lost at once or members join meanwhile: then the heir may be one
/// that has to read the whole table. Whoever computes this from the same members gets the same.
///
/// **Invariant:** a partition's standbys are distinct, and its owner's process is none of them.
pub fn standbys(members: &[GroupMember], copies: u32) -> BTreeMap<Partition, Vec<&str>> {
    let owners: BTreeSet<_> = members.iter().map(|member| member.process.as_str()).collect();
    owners.into_iter().flat_map(|owner| heirs(owner, members, copies)).collect()
}

/// The standbys of what one process has.
fn heirs<'a>(owner: &str, members: &'a [GroupMember], copies: u32) -> Vec<(Partition, Vec<&'a str>)> {
    let mut orphans: Vec<_> = members
        .iter()
        .filter(|member| member.process == owner)
        .flat_map(|member| &member.partitions)
        .collect();
    orphans.sort_by(|one, other| other.cmp(one));
    let others = members.iter().filter(|member| member.process != owner);
    let mut loads: Vec<_> = others.map(|member| (member.partitions.len(), member.process.as_str())).collect();
    let mut all = Vec::new();
    for orphan in orphans {
        // Equally loaded ones stay in the order of the members.
        loads.sort_by_key(|(load, _)| *load);
        let mut chosen = Vec::new();
        for (_, process) in &loads {
            if chosen.len() < copies as usize && !chosen.contains(process) {
                chosen.push(*process);
            }
        }
        if let Some((load, _)) = loads.first_mut() {
            *load += 1;
        }
        all.push((*orphan, chosen));
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn member(process: &str, partitions: &[u32]) -> GroupMember {
        let partitions = partitions.iter().copied().map(Partition::new).collect();
        GroupMember { process: process.to_owned(), is_here: false, partitions }
    }

    fn told(members: &[GroupMember], copies: u32) -> Vec<(usize, String)> {
        let all = standbys(members, copies);
        all.into_iter().map(|(partition, processes)| (partition.index(), processes.join(" "))).collect()
    }

    #[test]
    fn what_a_process_has_is_spread_over_the_others() {
        let three = [member("a", &[0, 3]), member("b", &[1, 4]), member("c", &[2, 5])];
        let of = |said: [&str; 6]| (0..).zip(said.map(ToOwned::to_owned)).collect::<Vec<_>>();
        assert_eq!(told(&three, 1), of(["c", "c", "b", "b", "a", "a"]));
        assert_eq!(told(&three, 2), of(["c b", "c a", "b a", "b c", "a c", "a b"]));
        assert_eq!(told(&three, 0), of([""; 6]));
        let idle = [member("a", &[0, 1]), member("b", &[])];
        assert_eq!(told(&idle, 1), [(0, "b".to_owned()), (1, "b".to_owned())], "who has nothing takes all");
        let alone = [member("a", &[0]), member("a", &[1])];
        assert_eq!(
            told(&alone, 2),
            [(0, String::new()), (1, String::new())],
            "a process is no standby of its own"
        );
    }

    proptest! {
        #[test]
        fn every_partition_has_as_many_standbys_as_there_can_be(
            owners in prop::collection::vec((0_usize..4, 0_usize..2), 0..24), copies in 0_u32..4, processes in 1_usize..5,
        ) {
            let mut members: Vec<_> =
                (0..processes * 2).map(|place| member(&(place / 2).to_string(), &[])).collect();
            for (number, (process, worker)) in (0..).zip(&owners) {
                let place = (process % processes) * 2 + worker;
                members[place].partitions.push(Partition::new(number));
            }
            let all = standbys(&members, copies);
            prop_assert_eq!(all.len(), owners.len());
            for (partition, standbys) in all {
                let owner = members.iter().find(|member| member.partitions.contains(&partition)).unwrap();
                let distinct: BTreeSet<_> = standbys.iter().copied().collect();
                prop_assert!(!distinct.contains(owner.process.as_str()));
                prop_assert_eq!(distinct.len(), standbys.len());
                prop_assert_eq!(standbys.len(), (copies as usize).min(processes - 1));
            }
        }
    }
}
