use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::{Column, Type, Value};
use millstream_ports::Replica;

use crate::server::{Server, key, land, row};

fn columns(of: &[(&str, Type)]) -> Arc<[Column]> {
    of.iter().map(|(name, ty)| Column::new(*name, ty.clone())).collect()
}

pub fn every_type(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    let price = Type::Struct(vec![
        Column::new("AMOUNT", Type::Decimal { precision: 12, scale: 2 }),
        Column::new("CURRENCY", Type::String),
    ]);
    let all = columns(&[
        ("ID", Type::String),
        ("OPEN", Type::Boolean),
        ("SMALL", Type::Int),
        ("LARGE", Type::Bigint),
        ("SHARE", Type::Double),
        ("PRICE", price),
        ("RAW", Type::Bytes),
        ("AT", Type::Timestamp),
        ("TAGS", Type::Array(Box::new(Type::String))),
        ("User", Type::Map(Box::new(Type::String), Box::new(Type::Int))),
        ("NOTHING", Type::String),
    ]);
    let values = vec![
        Value::text("k"),
        Value::Boolean(true),
        Value::Int(-7),
        Value::Bigint(i64::MIN),
        Value::Double(0.1),
        Value::Struct(vec![
            Value::Decimal("10000.05".parse().unwrap()),
            Value::text("it's \"€\" \\ \u{1f6cb}\n"),
        ]),
        Value::Bytes([0, 255, 92].into()),
        Value::Timestamp(253_402_300_799_999),
        Value::Array(vec![Value::text("a"), Value::Null]),
        Value::Map(BTreeMap::from([(Value::text("x"), Value::Int(1))])),
        Value::Null,
    ];
    replica.stage(&key("k"), Some(&row(&all, values))).unwrap();
    replica.stage(&key("empty"), Some(&row(&all, vec![Value::Null; 11]))).unwrap();
    land(&mut replica, None, 1);
    let told = server.query(&format!(
        "select concat_ws(' ', id, open, small, large, share, price_amount, price_currency, encode(raw, 'hex'),
           to_char(\"at\" at time zone 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS'), tags, \"user\", nothing is null) from {table} where id = 'k'"
    ));
    let want = "k t -7 -9223372036854775808 0.1 10000.05 it's \"€\" \\ \u{1f6cb}\n 00ff5c 9999-12-31 23:59:59.999 [\"a\", null] {\"x\": 1} t";
    assert_eq!(told, want);
    let types = server.query(&format!(
        "select string_agg(format_type(atttypid, atttypmod), ', ' order by attnum) from pg_attribute
         where attrelid = '{table}'::regclass and attnum > 0"
    ));
    assert_eq!(
        types,
        "text, boolean, integer, bigint, double precision, numeric(12,2), text, bytea, timestamp(6) with time zone, jsonb, jsonb, text"
    );
    assert_eq!(
        server.query(&format!("select count(*) from {table} where open is null and tags is null")),
        "1"
    );
}

pub fn the_last_word_counts(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    let number = columns(&[("N", Type::Int)]);
    let mut say = |id: &str, n: Option<i32>| {
        let value = n.map(|n| row(&number, vec![Value::Int(n)]));
        replica.stage(&key(id), value.as_ref()).unwrap();
    };
    say("never there", None);
    say("a", Some(1));
    say("b", Some(1));
    say("a", Some(2));
    say("b", None);
    say("c", None);
    say("c", Some(3));
    land(&mut replica, None, 7);
    let rows = format!("select coalesce(string_agg(id || n, ' ' order by id), '') from {table}");
    assert_eq!(server.query(&rows), "a2 c3");
    replica.stage(&key("a"), None).unwrap();
    replica.stage(&key("c"), Some(&row(&number, vec![Value::Null]))).unwrap();
    land(&mut replica, Some(7), 9);
    assert_eq!(server.query(&format!("select id from {table} where n is null")), "c");
    // What was dropped is forgotten.
    replica.stage(&key("d"), Some(&row(&number, vec![Value::Int(1)]))).unwrap();
    replica.clear();
    land(&mut replica, Some(9), 10);
    assert_eq!(server.query(&format!("select count(*) from {table}")), "1");
}

pub fn newer_schemas(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    let narrow = Type::Decimal { precision: 4, scale: 2 };
    let wide = Type::Decimal { precision: 12, scale: 4 };
    let old = columns(&[("N", Type::Int), ("PRICE", narrow), ("GONE", Type::String)]);
    let new = columns(&[("N", Type::Bigint), ("PRICE", wide), ("ADDED", Type::Array(Box::new(Type::Int)))]);
    let old_row =
        || row(&old, vec![Value::Int(1), Value::Decimal("99.99".parse().unwrap()), Value::text("kept")]);
    let new_row = || {
        let price = Value::Decimal("12345.6789".parse().unwrap());
        row(&new, vec![Value::Bigint(1 << 40), price, Value::Array(vec![Value::Int(5)])])
    };
    replica.stage(&key("old"), Some(&old_row())).unwrap();
    land(&mut replica, None, 1);
    // Both in one transaction, as a topic has them while writers are changed one by one.
    replica.stage(&key("new"), Some(&new_row())).unwrap();
    replica.stage(&key("late"), Some(&old_row())).unwrap();
    land(&mut replica, Some(1), 3);
    let told = server.query(&format!(
        "select string_agg(concat_ws(' ', id, n, price, gone, added), '; ' order by id) from {table}"
    ));
    assert_eq!(told, "late 1 99.9900 kept; new 1099511627776 12345.6789 [5]; old 1 99.9900 kept");
}

pub fn what_can_not_be_held(server: &Server) {
    let table = server.new_table();
    let mut replica = server.replica(&table);
    let text = columns(&[("T", Type::String)]);
    let moment = columns(&[("T", Type::Timestamp)]);
    let twice = columns(&[("A_B", Type::Int), ("A", Type::Struct(vec![Column::new("B", Type::Int)]))]);
    let mut refused = |id: &str, value| replica.stage(&key(id), Some(&value)).unwrap_err().to_string();
    assert!(refused("a", row(&text, vec![Value::text("x\0")])).starts_with("column t: "));
    assert!(refused("a\0", row(&text, vec![Value::Null])).starts_with("column id: "));
    assert!(refused("a", row(&moment, vec![Value::Timestamp(i64::MIN)])).contains("years 1 to 9999"));
    assert!(refused("a", row(&twice, vec![Value::Null, Value::Null])).contains("column a_b"));
    land(&mut replica, None, 4);
    assert_eq!(server.query(&format!("select to_regclass('{table}') is null")), "t", "nothing was staged");
}
