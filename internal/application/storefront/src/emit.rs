use std::thread;
use std::time::{Duration, Instant};

use millstream_ports::{Codec, Utf8, World};
use millstream_runtime::{EmitError, Emitter, Stop};
use millstream_shop::{Emission, EmissionKind, Product};

use crate::wire::ProductWire;

/// The longest wait between two looks whether to stop.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// How far an emission is.
///
/// **Invariant:** once it is over, `delivered + failed` is `messages`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Emitted {
    /// Products announced for the first time.
    pub products: u64,
    /// Messages handed over, those that complete images included.
    pub messages: u64,
    /// Messages acknowledged so far.
    pub delivered: u64,
    /// Messages that were refused or given up so far.
    pub failed: u64,
}

/// How fast messages go out: so many a second, or as fast as they can.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pace(Option<f64>);

impl Pace {
    /// At most `messages` a second; `None` when that is no number above 0.
    pub fn per_second(messages: f64) -> Option<Self> {
        (messages.is_finite() && messages > 0.0).then_some(Self(Some(messages)))
    }

    /// How long after the beginning the message behind `sent` others is due.
    fn due_after(self, sent: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a schedule needs no more than 2^53 messages")]
        let seconds = self.0.map_or(0.0, |rate| sent as f64 / rate);
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
    }
}

/// Emits products, keyed by their ids, until they or the user end, or a record is refused; then waits until the brokers
/// have answered for every message. `watch` sees each step.
///
/// What was emitted is told also when it did not end well, beside the reason.
pub fn emit_products<W, V>(
    emitter: &mut Emitter<W, Utf8, V>,
    products: impl Iterator<Item = Emission>,
    pace: Pace,
    stop: &Stop,
    mut watch: impl FnMut(Emitted),
) -> (Emitted, Result<(), EmitError>)
where
    W: World,
    V: for<'a> Codec<Value<'a> = ProductWire<'a>>,
{
    let (mut total, sent) = play(products, pace, stop, |product, so_far| {
        let result = emitter.emit(&product.id.as_str(), &ProductWire::from(product));
        let tally = emitter.tally();
        watch(Emitted { delivered: tally.delivered, failed: tally.failed, ..so_far });
        result
    });
    let settled = emitter.flush();
    total.delivered = emitter.tally().delivered;
    // A record that was refused before it was queued is in no tally.
    total.failed = total.messages.saturating_sub(total.delivered);
    (total, sent.and(settled.map_err(EmitError::from)))
}

/// Hands products to `send` at their pace, together with how far it is.
fn play<E>(
    products: impl Iterator<Item = Emission>,
    pace: Pace,
    stop: &Stop,
    mut send: impl FnMut(&Product, Emitted) -> Result<(), E>,
) -> (Emitted, Result<(), E>) {
    let (begun, mut emitted) = (Instant::now(), Emitted::default());
    for Emission { product, kind } in products {
        await_turn(begun, pace.due_after(emitted.messages), stop);
        if stop.is_set() {
            break;
        }
        emitted.messages += 1;
        emitted.products += u64::from(kind != EmissionKind::Completion);
        if let Err(error) = send(&product, emitted) {
            return (emitted, Err(error));
        }
    }
    (emitted, Ok(()))
}

fn await_turn(begun: Instant, due: Duration, stop: &Stop) {
    while !stop.is_set() {
        let left = due.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return;
        }
        thread::sleep(left.min(LOOK_AGAIN));
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use millstream_shop::Catalogue;

    use super::*;

    const FAST: Pace = Pace(None);

    fn products() -> Catalogue {
        Catalogue::new(3, NonZeroU32::MIN, 50)
    }

    #[test]
    fn every_message_is_sent_and_products_are_counted_once() {
        let mut ids = Vec::new();
        let (emitted, result) = play(products(), FAST, &Stop::new(), |product, _| {
            ids.push(product.id.clone());
            Ok::<_, ()>(())
        });
        assert_eq!((emitted.products, emitted.messages, result), (50, ids.len() as u64, Ok(())));
        assert!(ids.len() > 50, "some products come in parts");
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 50);
    }

    #[test]
    fn it_ends_when_asked_to_and_when_a_record_is_refused() {
        let stop = Stop::new();
        let (emitted, _) = play(products(), FAST, &stop, |_, emitted| {
            if emitted.messages == 7 {
                stop.set();
            }
            Ok::<_, ()>(())
        });
        assert_eq!(emitted.messages, 7);
        let refuse = |_: &Product, emitted: Emitted| if emitted.messages == 5 { Err("no") } else { Ok(()) };
        let (emitted, result) = play(products(), FAST, &Stop::new(), refuse);
        assert_eq!((emitted.messages, result), (5, Err("no")));
    }

    #[test]
    fn a_pace_says_when_each_message_is_due() {
        let pace = Pace::per_second(4.0).unwrap();
        assert_eq!([0, 1, 8].map(|sent| pace.due_after(sent).as_millis()), [0, 250, 2000]);
        assert_eq!(FAST.due_after(1_000_000), Duration::ZERO);
        assert_eq!(Pace::per_second(1e-300).unwrap().due_after(u64::MAX), Duration::MAX);
        for wrong in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(Pace::per_second(wrong), None);
        }
    }

    #[test]
    fn nobody_waits_for_a_far_message_once_asked_to_stop() {
        let stop = Stop::new();
        stop.set();
        await_turn(Instant::now(), Duration::MAX, &stop);
    }
}
