//! Emits believable products into the shop's topic.

mod figures;
mod progress;
mod settings;
mod wiring;

use std::io::{Write, stderr, stdout};
use std::process::{self, ExitCode};
use std::sync::Arc;

use clap::Parser;
use millstream_http_api::Server;
use millstream_runtime::Stop;
use millstream_settings::SettingsError;
use millstream_shop::Catalogue;
use millstream_storefront::emit_products;
use millstream_telemetry::{Exporter, Verbosity};

use figures::Figures;
use progress::{Progress, summary};
use settings::{Arguments, ShopSettings};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let progress = Progress::towards(arguments.count);
    progress.let_logs_pass(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Quiet });
    match run(&arguments, progress) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(stderr(), "shop: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

fn run(arguments: &Arguments, mut progress: Progress) -> anyhow::Result<ExitCode> {
    let settings = ShopSettings::of(arguments)?;
    let mut emitter = wiring::emitter(&settings)?;
    let figures = Arc::new(Figures::default());
    let exporter = Exporter::new(vec![figures.clone()]);
    let _server = Server::of_figures(settings.http_address.as_deref(), move || exporter.render())?;
    let stop = stop_by_signal()?;
    let seed = arguments.seed.unwrap_or_else(settings::random_seed);
    let products = Catalogue::new(seed, arguments.stores, arguments.count);
    progress.begin();
    let (total, ended) = emit_products(&mut emitter, products, arguments.rate, &stop, |so_far| {
        figures.note(so_far);
        progress.show(so_far);
    });
    figures.note(total);
    progress.end();
    writeln!(stdout(), "{}", summary(seed, total))?;
    if let Err(error) = ended {
        writeln!(stderr(), "shop: {error}")?;
        return Ok(ExitCode::FAILURE);
    }
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The first signal ends the emission, and what is under way is waited for; the second ends the program.
fn stop_by_signal() -> anyhow::Result<Stop> {
    let stop = Stop::new();
    let stopper = stop.clone();
    ctrlc::set_handler(move || {
        if stopper.is_set() {
            process::exit(1);
        }
        stopper.set();
    })?;
    Ok(stop)
}
