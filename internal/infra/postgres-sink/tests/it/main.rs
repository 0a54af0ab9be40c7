//! Tables in a real PostgreSQL, started for these tests alone from the system's packages.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    unreachable_pub,
    missing_docs,
    reason = "tests"
)]

mod rows;
mod server;
mod transactions;

use server::Server;

#[test]
fn tables_follow_topics_in_a_real_postgresql() {
    let server = Server::up();
    for (name, scenario) in [
        ("every type", rows::every_type as fn(&Server)),
        ("the last word on a key counts", rows::the_last_word_counts),
        ("newer schemas", rows::newer_schemas),
        ("what can't be held", rows::what_can_not_be_held),
        ("rows and positions land together", transactions::together),
        ("two members", transactions::two_members),
        ("rows staged beside a write", transactions::beside_a_write),
        ("a refused row", transactions::a_refused_row),
        ("a server that goes and comes", transactions::a_server_that_goes_and_comes),
        ("a wrong password", transactions::a_wrong_password),
    ] {
        eprintln!("scenario: {name}");
        scenario(&server);
    }
}
