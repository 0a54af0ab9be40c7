//! Breaks a running group in every way there is, and counts what was lost and what came twice.
//!
//! Three processes of one group count a stream of keys under exactly-once. Meanwhile they are killed, held up for longer than
//! the group waits, cut off from their broker, and given a full disk, in an order that the seed decides. At the end every
//! output and every table is held against the model.

mod audit;
mod cluster;
mod disk;
mod faults;
mod instances;
mod load;
mod member;
mod quiet;
mod random;
mod run;
mod settings;
mod tables;

use std::io::{Write, stderr};
use std::process::ExitCode;

use clap::Parser;
use millstream_telemetry::{Verbosity, init_logs};

use settings::{Arguments, Deed};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Normal });
    let done = match &arguments.deed {
        Deed::Run(plan) => run::run(plan),
        Deed::Member(member) => member::run(member).map(|()| true),
        Deed::Broker(broker) => cluster::serve(broker).map(|()| true),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(stderr(), "chaos: {error:#}");
            ExitCode::from(2)
        }
    }
}
