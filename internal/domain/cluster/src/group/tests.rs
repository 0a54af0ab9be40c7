use super::*;

fn join(member: &str, ticket: Ticket) -> Join {
    Join {
        member: member.to_owned(),
        fresh: format!("fresh-{ticket}"),
        instance: None,
        client_id: "client".to_owned(),
        client_host: "/127.0.0.1".to_owned(),
        session_ms: 1_000,
        rebalance_ms: 5_000,
        company_ms: 0,
        protocol_type: "consumer".to_owned(),
        protocols: vec![("range".to_owned(), b"r".to_vec()), ("sticky".to_owned(), b"s".to_vec())],
        needs_id: false,
        can_skip: true,
        ticket,
    }
}

fn static_join(instance: &str, ticket: Ticket) -> Join {
    Join { instance: Some(instance.to_owned()), ..join("", ticket) }
}

fn identity(member: &str, generation: i32) -> Identity<'_> {
    Identity { member, instance: None, generation }
}

fn sync<'a>(member: &'a str, generation: i32, parts: &[(&str, &str)], ticket: Ticket) -> Sync<'a> {
    let assignments = parts.iter().map(|(id, part)| ((*id).to_owned(), part.as_bytes().to_vec())).collect();
    Sync { identity: identity(member, generation), protocol_type: None, protocol: None, assignments, ticket }
}

/// The joins that were answered well, by ticket.
fn joins(group: &mut Group) -> BTreeMap<Ticket, Joined> {
    let good = |(ticket, reply)| match reply {
        Reply::Join(joined) => (ticket, joined.unwrap()),
        Reply::Sync(synced) => panic!("{synced:?}"),
    };
    group.take_replies().into_iter().map(good).collect()
}

fn parts(group: &mut Group) -> BTreeMap<Ticket, Vec<u8>> {
    let good = |(ticket, reply)| match reply {
        Reply::Sync(synced) => (ticket, synced.unwrap().assignment),
        Reply::Join(joined) => panic!("{joined:?}"),
    };
    group.take_replies().into_iter().map(good).collect()
}

/// A stable group of two: the leader `fresh-1` and `fresh-2`.
fn of_two() -> Group {
    let mut group = Group::default();
    group.join(0, join("", 1));
    assert_eq!(joins(&mut group)[&1].leader, "fresh-1");
    group.join(0, join("", 2));
    assert!(group.take_replies().is_empty(), "the first must join again");
    assert_eq!(group.heartbeat(0, identity("fresh-1", 1)), Err(Fault::RebalanceInProgress));
    group.join(0, join("fresh-1", 3));
    let joined = joins(&mut group);
    assert_eq!((joined[&2].generation, joined[&3].generation), (2, 2));
    assert_eq!((joined[&3].members.len(), joined[&2].members.len()), (2, 0), "the leader sees all");
    group.sync(0, sync("fresh-2", 2, &[], 4));
    assert!(group.take_replies().is_empty(), "the leader has not divided yet");
    group.sync(0, sync("fresh-1", 2, &[("fresh-1", "a"), ("fresh-2", "b")], 5));
    assert_eq!(parts(&mut group), [(4, b"b".to_vec()), (5, b"a".to_vec())].into());
    assert_eq!(group.phase(), Phase::Stable);
    group
}

#[test]
fn two_members_divide_and_are_told_of_refusals() {
    let mut group = of_two();
    assert_eq!(group.heartbeat(0, identity("fresh-2", 2)), Ok(()));
    assert_eq!(group.heartbeat(0, identity("fresh-2", 1)), Err(Fault::IllegalGeneration));
    assert_eq!(group.heartbeat(0, identity("stranger", 2)), Err(Fault::UnknownMember));
    assert_eq!(group.may_commit(0, identity("fresh-2", 2)), Ok(()));
    assert_eq!(group.may_commit(0, identity("fresh-2", 1)), Err(Fault::IllegalGeneration));
    assert_eq!(group.may_commit(0, identity("", -1)), Err(Fault::UnknownMember));
    assert_eq!(Group::default().may_commit(0, identity("", -1)), Ok(()));
    group.sync(0, sync("fresh-2", 2, &[], 9));
    assert_eq!(parts(&mut group)[&9], b"b", "a part may be asked for again");
}

#[test]
fn one_that_leaves_or_is_silent_makes_the_others_divide_anew() {
    for leaves in [true, false] {
        let mut group = of_two();
        if leaves {
            assert_eq!(group.leave(0, "fresh-2", None), Ok("fresh-2".to_owned()));
            assert_eq!(group.leave(0, "fresh-2", None), Err(Fault::UnknownMember));
        } else {
            group.heartbeat(500, identity("fresh-1", 2)).unwrap();
            assert_eq!(group.next_deadline(), Some(1_000));
            group.expire(1_000);
        }
        assert_eq!(group.phase(), Phase::PreparingRebalance);
        group.join(1_100, join("fresh-1", 6));
        assert_eq!(joins(&mut group)[&6].generation, 3);
    }
}

#[test]
fn the_first_waits_for_company_and_divides_once() {
    let patient = |ticket| Join { company_ms: 100, ..join("", ticket) };
    let mut group = Group::default();
    group.join(10, patient(1));
    group.join(50, patient(2));
    group.expire(109);
    assert!(group.take_replies().is_empty(), "others may come");
    assert_eq!(group.next_deadline(), Some(110));
    group.expire(110);
    let joined = joins(&mut group);
    assert_eq!((joined[&1].generation, joined[&2].generation), (1, 1));
    assert_eq!(joined[&1].members.len(), 2);

    group.leave(120, "fresh-1", None).unwrap();
    group.join(130, join("fresh-2", 3));
    assert_eq!(joins(&mut group)[&3].generation, 2, "the group was not empty");
}

#[test]
fn company_that_goes_before_the_group_begins_leaves_it_empty() {
    let mut group = Group::default();
    group.join(0, Join { company_ms: 100, ..join("", 1) });
    group.leave(50, "fresh-1", None).unwrap();
    group.expire(100);
    assert_eq!((group.phase(), group.next_deadline()), (Phase::Empty, None));
}

#[test]
fn the_last_to_go_leaves_an_empty_group() {
    let mut group = of_two();
    group.leave(0, "fresh-1", None).unwrap();
    group.leave(0, "fresh-2", None).unwrap();
    assert_eq!((group.phase(), group.is_empty(), group.next_deadline()), (Phase::Empty, true, None));
    assert_eq!(group.heartbeat(0, identity("fresh-1", 2)), Err(Fault::UnknownMember));
}

#[test]
fn a_rebalance_goes_on_without_those_who_do_not_come_back() {
    let mut group = of_two();
    group.join(0, Join { rebalance_ms: 500, ..join("", 7) });
    group.expire(4_999);
    group.heartbeat(4_000, identity("fresh-1", 2)).unwrap_err();
    group.take_replies();
    let mut group = of_two();
    group.join(10, join("", 7));
    for at in (0..5_010).step_by(500) {
        // They are alive, but never join.
        let _ = (group.heartbeat(at, identity("fresh-1", 2)), group.heartbeat(at, identity("fresh-2", 2)));
        group.expire(at);
        assert!(group.take_replies().is_empty());
    }
    group.expire(5_010);
    let joined = joins(&mut group);
    assert_eq!((joined[&7].leader.as_str(), joined[&7].members.len()), ("fresh-7", 1));
}

#[test]
fn those_who_never_ask_for_their_part_are_dropped() {
    let mut group = Group::default();
    group.join(0, Join { session_ms: 60_000, ..join("", 1) });
    group.take_replies();
    group.expire(4_999);
    assert_eq!(group.phase(), Phase::CompletingRebalance);
    group.expire(5_000);
    assert_eq!(group.phase(), Phase::Empty);
}

#[test]
fn an_id_is_given_before_joining() {
    let mut group = Group::default();
    group.join(0, Join { needs_id: true, ..join("", 1) });
    assert_eq!(group.take_replies(), [(1, Reply::Join(Err(Fault::MemberIdRequired)))]);
    assert!(!group.is_empty());
    group.join(0, Join { needs_id: true, ..join("fresh-1", 2) });
    assert_eq!(joins(&mut group)[&2].member, "fresh-1");
    group.join(0, Join { needs_id: true, ..join("", 3) });
    group.take_replies();
    group.expire(1_000);
    group.join(1_000, join("fresh-3", 4));
    assert_eq!(group.take_replies(), [(4, Reply::Join(Err(Fault::UnknownMember)))], "it came too late");
}

#[test]
fn a_static_member_comes_back_without_a_rebalance_and_fences_its_former_self() {
    for can_skip in [true, false] {
        let mut group = Group::default();
        group.join(0, static_join("i", 1));
        group.join(0, static_join("k", 2));
        group.join(0, Join { member: "fresh-1".to_owned(), ..static_join("i", 3) });
        assert_eq!(joins(&mut group)[&3].leader, "fresh-1");
        group.sync(0, sync("fresh-1", 2, &[("fresh-1", "a"), ("fresh-2", "b")], 4));
        group.sync(0, sync("fresh-2", 2, &[], 5));
        group.take_replies();

        group.join(0, Join { can_skip, ..static_join("i", 6) });
        let joined = joins(&mut group).remove(&6).unwrap();
        assert_eq!((joined.generation, joined.member.as_str(), group.phase()), (2, "fresh-6", Phase::Stable));
        assert_eq!(joined.skip_assignment, can_skip);
        assert_eq!(joined.leader == "fresh-6", can_skip, "an old client must not divide anything");
        group.sync(0, sync("fresh-6", 2, &[], 7));
        assert_eq!(parts(&mut group)[&7], b"a", "its old part");
        let former = Identity { member: "fresh-1", instance: Some("i"), generation: 2 };
        assert_eq!(group.heartbeat(0, former), Err(Fault::FencedInstance));
        assert_eq!(group.leave(0, "", Some("i")), Ok("fresh-6".to_owned()));
    }
}

#[test]
fn the_protocol_is_one_that_all_know() {
    let mut group = Group::default();
    group.join(0, join("", 1));
    group.take_replies();
    let only =
        |name: &str, ticket| Join { protocols: vec![(name.to_owned(), Vec::new())], ..join("", ticket) };
    group.join(0, only("sticky", 2));
    group.join(0, only("other", 3));
    group.join(0, Join { protocol_type: "connect".to_owned(), ..join("", 4) });
    for (_, reply) in group.take_replies() {
        assert_eq!(reply, Reply::Join(Err(Fault::InconsistentProtocol)));
    }
    group.join(0, join("fresh-1", 5));
    assert_eq!(joins(&mut group)[&5].protocol, "sticky");
}

#[test]
fn a_member_that_says_something_new_makes_all_join_again() {
    let mut group = of_two();
    group.join(0, join("fresh-2", 6));
    assert_eq!(joins(&mut group)[&6].generation, 2, "nothing is new");
    let new = Join { protocols: vec![("range".to_owned(), b"new".to_vec())], ..join("fresh-2", 7) };
    group.join(0, new);
    assert_eq!(group.phase(), Phase::PreparingRebalance);
    group.join(0, join("fresh-1", 8));
    let joined = joins(&mut group);
    assert!(joined[&8].members.iter().any(|member| member.metadata == b"new"));
}

#[test]
fn a_join_amid_the_division_refuses_those_who_wait_for_their_part() {
    let mut group = Group::default();
    group.join(0, join("", 1));
    group.join(0, join("", 2));
    group.join(0, join("fresh-1", 3));
    group.take_replies();
    group.sync(0, sync("fresh-2", 2, &[], 4));
    group.join(0, join("", 5));
    assert_eq!(group.take_replies(), [(4, Reply::Sync(Err(Fault::RebalanceInProgress)))]);
}

#[test]
fn a_group_that_was_written_down_goes_on_where_it_was() {
    let mut group = Group::default();
    group.join(0, static_join("one", 1));
    assert_eq!(group.settled(), None, "it is dividing");
    let joined = joins(&mut group).remove(&1).unwrap();
    group.sync(0, sync(&joined.member, joined.generation, &[(&joined.member, "all")], 2));
    assert_eq!(parts(&mut group), [(2, b"all".to_vec())].into());
    let settled = group.settled().unwrap();

    let mut restored = Group::restore(settled.clone(), 10_000);
    assert_eq!(restored.describe(), group.describe());
    assert_eq!(restored.settled(), Some(settled));
    assert_eq!(restored.heartbeat(10_900, identity(&joined.member, joined.generation)), Ok(()));
    let stale = identity(&joined.member, joined.generation + 1);
    assert_eq!(restored.heartbeat(10_900, stale), Err(Fault::IllegalGeneration));
    restored.join(11_000, static_join("one", 3));
    assert_eq!(
        joins(&mut restored)[&3].generation,
        joined.generation,
        "its name is known, and nothing moves"
    );
    restored.expire(12_500);
    assert_eq!(restored.phase(), Phase::Empty, "it was silent");
    let empty = restored.settled().unwrap();
    assert!(empty.members.is_empty() && Group::restore(empty, 0).is_empty());
}
