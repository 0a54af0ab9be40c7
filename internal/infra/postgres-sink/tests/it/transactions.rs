use std::sync::Arc;

use millstream_model::{Column, Offset, Partition, Type, Value};
use millstream_ports::{Action, Advance, Landed, Replica};
use millstream_postgres_sink::{Database, PostgresTable, Target};

use crate::server::{Server, advance, commit, key, land, row};

fn number() -> Arc<[Column]> {
    [Column::new("N", Type::Int)].into()
}

fn stage(replica: &mut PostgresTable, id: &str, n: i32) {
    replica.stage(&key(id), Some(&row(&number(), vec![Value::Int(n)]))).unwrap();
}

pub fn together(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    assert!(replica.positions().unwrap().is_empty());
    stage(&mut replica, "a", 1);
    let both = [advance(None, 5), Advance { partition: Partition::new(3), from: None, to: Offset(9) }];
    assert_eq!(commit(&mut replica, &both).unwrap(), Landed::Yes);
    let positions = replica.positions().unwrap();
    assert_eq!(positions.into_iter().map(|(p, o)| (p.index(), o.0)).collect::<Vec<_>>(), [(0, 5), (3, 9)]);
    // One partition is not where it should be: neither moves, and no row is written.
    stage(&mut replica, "a", 2);
    let wrong = [
        advance(Some(5), 6),
        Advance { partition: Partition::new(3), from: Some(Offset(8)), to: Offset(10) },
    ];
    assert_eq!(commit(&mut replica, &wrong).unwrap(), Landed::Elsewhere);
    assert_eq!(server.query(&format!("select n from {table}")), "1");
    assert_eq!(replica.positions().unwrap()[&Partition::new(0)], Offset(5));
    stage(&mut replica, "a", 2);
    land(&mut replica, Some(5), 6);
    assert_eq!(server.query(&format!("select n from {table}")), "2");
}

pub fn two_members(server: &Server) {
    let table = server.new_table();
    let (mut one, mut other) = (server.replica(&table), server.replica(&table));
    assert!(one.positions().unwrap().is_empty() && other.positions().unwrap().is_empty());
    stage(&mut one, "a", 1);
    stage(&mut other, "a", 1);
    let threads = [one, other].map(|mut replica| {
        std::thread::spawn(move || {
            commit(&mut replica, &[advance(None, 1)]).map(|landed| landed == Landed::Yes)
        })
    });
    let landed = threads.map(|thread| thread.join().unwrap().unwrap_or(false));
    assert_eq!(landed.iter().filter(|landed| **landed).count(), 1, "{landed:?}");
    assert_eq!(server.query(&format!("select count(*) from {table}")), "1");
}

pub fn a_refused_row(server: &Server) {
    let table = server.new_table();
    server.query(&format!("create table {table} (id text primary key, n integer check (n < 100))"));
    let mut replica = server.replica(&table);
    stage(&mut replica, "fine", 1);
    stage(&mut replica, "bad", 100);
    let error = commit(&mut replica, &[advance(None, 2)]).unwrap_err();
    assert_eq!(error.action(), Action::DeadLetter, "{error}");
    assert!(error.to_string().contains(&table) && error.to_string().contains("23514"), "{error}");
    assert!(replica.positions().unwrap().is_empty());
    assert_eq!(server.query(&format!("select count(*) from {table}")), "0");
    stage(&mut replica, "fine", 1);
    land(&mut replica, None, 1);
}

/// Rows are staged while others are written, and belong to the next write.
pub fn beside_a_write(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    let mut next = 0_i32;
    for _ in 0..20 {
        for _ in 0..500 {
            stage(&mut replica, &format!("k{}", next % 700), next);
            next += 1;
        }
        if next > 500 {
            assert_eq!(replica.finish().unwrap(), Landed::Yes);
        }
        let from = (next > 500).then(|| i64::from(next) - 500);
        replica.begin(vec![advance(from, i64::from(next))]);
    }
    assert_eq!(replica.finish().unwrap(), Landed::Yes);
    assert!(!replica.is_writing());
    assert_eq!(server.query(&format!("select count(*), min(n), max(n) from {table}")), "700|9300|9999");
    assert_eq!(replica.finish().unwrap_err().action(), Action::Stop, "nothing was begun");
}

pub fn a_server_that_goes_and_comes(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    stage(&mut replica, "a", 1);
    land(&mut replica, None, 1);
    stage(&mut replica, "a", 2);
    server.script("down");
    for _ in 0..3 {
        stage(&mut replica, "a", 2);
        let error = commit(&mut replica, &[advance(Some(1), 2)]).unwrap_err();
        assert_eq!(error.action(), Action::Retry, "{error}");
        assert!(!error.to_string().contains("millstream:"), "no password is told: {error}");
    }
    server.script("up");
    stage(&mut replica, "a", 2);
    land(&mut replica, Some(1), 2);
    assert_eq!(server.query(&format!("select n from {table}")), "2");
}

pub fn a_wrong_password(server: &Server) {
    let target = Target {
        topic: millstream_model::TopicName::new("things").unwrap(),
        schema: "public".to_owned(),
        table: "things".to_owned(),
        key_column: "id".to_owned(),
    };
    let mut replica = PostgresTable::new(Database::at(&server.dsn("hunter2")).unwrap(), target);
    let error = replica.positions().unwrap_err();
    assert_eq!(error.action(), Action::Stop, "{error}");
    assert!(
        error.to_string().contains("password authentication failed")
            && !error.to_string().contains("hunter2"),
        "{error}"
    );
}
