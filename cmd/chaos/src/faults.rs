use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::random::Random;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An instance is killed, and started again after this long.
    Kill { instance: usize, away: Duration },
    /// An instance is held up for longer than the group waits.
    HoldUp { instance: usize, away: Duration },
    /// The broker ends and comes back.
    Broker { with_farewell: bool },
    /// The first instance is killed, and comes back to a disk that is full for this long.
    FullDisk { away: Duration },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill { instance, away } => {
                write!(f, "instance {instance} is killed, and comes back after {:.1} s", away.as_secs_f64())
            }
            Self::HoldUp { instance, away } => {
                write!(f, "instance {instance} is held up for {:.1} s", away.as_secs_f64())
            }
            Self::Broker { with_farewell: true } => f.write_str("the broker is stopped and started"),
            Self::Broker { with_farewell: false } => f.write_str("the broker is killed and started"),
            Self::FullDisk { away } => {
                write!(f, "instance 0 is killed, and its disk is full for {:.1} s", away.as_secs_f64())
            }
        }
    }
}

/// Which faults come when, by a seed: every kind before any comes a second time.
pub(crate) struct Schedule {
    random: Random,
    instances: usize,
    session: Duration,
    has_disk: bool,
    bag: VecDeque<Fault>,
}

impl Schedule {
    pub(crate) fn new(seed: u64, instances: usize, session: Duration, has_disk: bool) -> Self {
        Self { random: Random::new(seed), instances, session, has_disk, bag: VecDeque::new() }
    }

    /// The next fault, and how long it is quiet before it.
    pub(crate) fn next(&mut self) -> (Duration, Option<Fault>) {
        if self.bag.is_empty() {
            self.fill();
        }
        let quiet = Duration::from_millis(self.random.between(4_000, 10_000));
        (quiet, self.bag.pop_front())
    }

    fn fill(&mut self) {
        let mut bag = Vec::new();
        for _ in 0..3 {
            let (instance, away) = (self.instance(), self.millis(0, 2_000));
            bag.push(Fault::Kill { instance, away });
        }
        // Long enough for the group to have given it up.
        let (instance, away) = (self.instance(), self.session + self.millis(1_500, 5_000));
        bag.push(Fault::HoldUp { instance, away });
        bag.push(Fault::Broker { with_farewell: true });
        bag.push(Fault::Broker { with_farewell: false });
        if self.has_disk {
            bag.push(Fault::FullDisk { away: self.millis(5_000, 9_000) });
        }
        self.random.shuffle(&mut bag);
        self.bag = bag.into();
    }

    fn instance(&mut self) -> usize {
        usize::try_from(self.random.below(self.instances as u64)).unwrap_or(0)
    }

    fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.random.between(low, high))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(seed: u64, count: usize) -> Vec<(Duration, Option<Fault>)> {
        let mut schedule = Schedule::new(seed, 3, Duration::from_secs(3), true);
        (0..count).map(|_| schedule.next()).collect()
    }

    #[test]
    fn a_seed_decides_what_goes_wrong_and_every_kind_comes() {
        assert_eq!(first(5, 20), first(5, 20));
        assert_ne!(first(5, 20), first(6, 20));
        let faults: Vec<_> = first(5, 7).into_iter().filter_map(|(_, fault)| fault).collect();
        assert!(faults.iter().any(|fault| matches!(fault, Fault::Kill { .. })));
        assert!(faults.iter().any(|fault| matches!(fault, Fault::FullDisk { .. })));
        assert!(faults.contains(&Fault::Broker { with_farewell: false }));
        let is_long =
            |fault: &Fault| matches!(fault, Fault::HoldUp { away, .. } if *away > Duration::from_secs(4));
        assert!(faults.iter().any(is_long));
    }
}
