//! Emits believable products into the shop's topic.

mod settings;

use std::io::{IsTerminal, Write, stderr, stdout};
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use millstream_avro_codec::{AvroBorrowed, Registry, value_subject};
use millstream_kafka_log::{KafkaLog, KafkaWorld};
use millstream_ports::Utf8;
use millstream_runtime::{Emitter, Output};
use millstream_settings::SettingsError;
use millstream_shop::Catalogue;
use millstream_sled_table::{SledTable, SledTables};
use millstream_storefront::ProductShape;
use millstream_storefront::wire::{PRODUCT_SCHEMA, ProductWire};
use millstream_telemetry::{Verbosity, init_logs};

use settings::{Arguments, ShopSettings};

type ShopEmitter = Emitter<KafkaWorld<SledTable>, Utf8, AvroBorrowed<ProductShape>>;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    init_logs(if arguments.verbose { Verbosity::Verbose } else { Verbosity::Quiet });
    match run(&arguments) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(stderr(), "shop: {error:#}");
            ExitCode::from(if error.is::<SettingsError>() { 2 } else { 1 })
        }
    }
}

/// Emits until the catalogue or the user ends; answers how many deliveries failed.
fn run(arguments: &Arguments) -> anyhow::Result<u64> {
    let settings = ShopSettings::of(arguments)?;
    let seed = arguments.seed.unwrap_or_else(random_seed);
    let mut emitter = emitter(&settings)?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopper = stop.clone();
    ctrlc::set_handler(move || stopper.store(true, Ordering::Release))?;
    let stores = NonZeroU32::new(arguments.stores).unwrap_or(NonZeroU32::MIN);
    let total = emit(arguments, &mut emitter, Catalogue::new(seed, stores, arguments.count), &stop)?;
    let flushed = emitter.flush();
    let tally = emitter.tally();
    let mut out = stdout().lock();
    writeln!(
        out,
        "{} products in {} messages (seed {seed}): {} delivered, {} failed",
        total.products, total.messages, tally.delivered, tally.failed
    )?;
    if let Err(error) = flushed {
        writeln!(stderr(), "shop: {error}")?;
    }
    Ok(total.messages.saturating_sub(tally.delivered))
}

fn emitter(settings: &ShopSettings) -> anyhow::Result<ShopEmitter> {
    let kafka = KafkaLog::new(settings.all.brokers()?).with_properties(settings.all.kafka_properties())?;
    let registry = Registry::new(settings.all.registry_url()?.reveal())?;
    // The shop keeps no tables; a world has a place for them all the same.
    let tables = SledTables::at("state");
    let world = KafkaWorld::new(kafka, move |id| tables.open(id));
    let topic = &settings.topic;
    let product = AvroBorrowed::writer(&registry, &value_subject(topic.as_str()), PRODUCT_SCHEMA)?;
    Ok(Emitter::open(&world, "shop", Output::new(topic.as_str(), Utf8, product))?)
}

#[derive(Default)]
struct Emitted {
    products: u64,
    messages: u64,
}

fn emit(
    arguments: &Arguments,
    emitter: &mut ShopEmitter,
    catalogue: Catalogue,
    stop: &AtomicBool,
) -> anyhow::Result<Emitted> {
    let (bar, begun) = (progress(arguments.count), Instant::now());
    let mut total = Emitted::default();
    for emission in catalogue {
        if stop.load(Ordering::Acquire) {
            break;
        }
        pace(arguments.rate, total.messages, begun, stop);
        let product = &emission.product;
        emitter.emit(&product.id.as_str(), &ProductWire::from(product))?;
        total.messages += 1;
        if emission.kind != millstream_shop::EmissionKind::Completion {
            total.products += 1;
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    Ok(total)
}

/// Waits until the next message is due.
fn pace(rate: Option<f64>, sent: u64, begun: Instant, stop: &AtomicBool) {
    let Some(rate) = rate else { return };
    #[expect(clippy::cast_precision_loss, reason = "a schedule needs no more than 2^53 messages")]
    let due = begun + Duration::from_secs_f64(sent as f64 / rate);
    while Instant::now() < due && !stop.load(Ordering::Acquire) {
        thread::sleep((due - Instant::now()).min(Duration::from_millis(50)));
    }
}

fn progress(count: u64) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} products  {per_sec}  {eta} left");
    ProgressBar::new(count).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Another one at each start; it is told, so that the run can be repeated.
fn random_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(since.subsec_nanos()) ^ (since.as_secs() << 20)
}
