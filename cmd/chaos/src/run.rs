use std::collections::BTreeMap;
use std::io::{Write, stdout};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use millstream_kafka_log::KafkaLog;
use millstream_model::TopicName;
use millstream_ports::TopicSpec;
use rustix::process::Signal;

use crate::audit::{Audit, Seen};
use crate::cluster::Cluster;
use crate::disk::SmallDisk;
use crate::faults::{Fault, Schedule};
use crate::instances::Instances;
use crate::load::Load;
use crate::member::{INPUT, OUTPUT};
use crate::settings::Plan;
use crate::tables;

/// How long the group may take to do what is left once nothing goes wrong any more.
const DRAIN_WAIT: Duration = Duration::from_mins(3);

/// Time for what should not come.
const AFTERMATH: Duration = Duration::from_secs(3);

pub(crate) fn say(what: &str) {
    let _ = writeln!(stdout(), "{what}");
}

/// Does the whole run; answers whether nothing was lost, duplicated or wrong.
pub(crate) fn run(plan: &Plan) -> anyhow::Result<bool> {
    prepare(&plan.folder)?;
    let mut cluster = Cluster::start(plan)?;
    let brokers = cluster.brokers();
    create_topics(&brokers, plan.partitions)?;
    let audit = Audit::start(&brokers, plan.partitions)?;
    let mut instances = Instances::new(plan, brokers.clone())?;
    let disk = instances.folders().next().and_then(SmallDisk::over);
    if disk.is_none() {
        say("skipped: a full disk, since this user may not mount a small one");
    }
    (0..plan.instances).try_for_each(|place| instances.start(place))?;
    let load = Load::start(&brokers, plan.rate, plan.keys, plan.seed)?;
    await_outputs(&audit, &mut instances, 1)?;
    let begun = Instant::now();
    let mut stage =
        Stage { plan, begun, cluster: &mut cluster, instances: &mut instances, disk: disk.as_ref() };
    let faults = stage.break_things(&load)?;
    let load_ended = Instant::now();
    let model = load.finish()?;
    await_outputs(&audit, &mut instances, model.values().sum())?;
    thread::sleep(AFTERMATH);
    let failures = instances.failures;
    let ended_well = instances.stop()?;
    let mut seen = audit.finish();
    seen.gaps.retain(|gap| gap.begun < load_ended);
    let folders: Vec<_> = instances.folders().collect();
    let wrong = tables::wrong(&brokers, plan.partitions, &folders, &model)?;
    tell_gaps(&seen, &faults, begun);
    say(&format!(
        "{} faults, {failures} times an instance ended by itself, clean end: {ended_well}",
        faults.len()
    ));
    say(&format!("{} keys in the tables, {wrong} wrong", model.len()));
    let (lost, duplicated) = seen.compare(&model);
    let gap = seen.longest_gap().as_secs_f64();
    say(&format!("{} outputs, {lost} lost, {duplicated} duplicated, longest gap {gap:.1} s", seen.outputs));
    Ok((lost, duplicated, wrong) == (0, 0, 0))
}

/// A run begins with nothing that another one left.
fn prepare(folder: &Path) -> anyhow::Result<()> {
    if folder.join("state-0").exists() {
        std::fs::remove_dir_all(folder).with_context(|| format!("can't clear {}", folder.display()))?;
    }
    std::fs::create_dir_all(folder)?;
    let is_empty = std::fs::read_dir(folder)?.next().is_none();
    ensure!(is_empty, "{} has files that are none of an earlier run; name another folder", folder.display());
    Ok(())
}

fn create_topics(brokers: &str, partitions: u32) -> anyhow::Result<()> {
    let log = KafkaLog::new(brokers);
    for topic in [INPUT, OUTPUT] {
        let (name, settings) = (TopicName::new(topic)?, BTreeMap::new());
        log.create_topic(&TopicSpec { name, partitions, replication: Some(1), settings })?;
    }
    Ok(())
}

/// Waits until this many outputs are there, or none has come for too long.
fn await_outputs(audit: &Audit, instances: &mut Instances, count: u64) -> anyhow::Result<()> {
    let (mut seen, mut since) = (0, Instant::now());
    while seen < count && since.elapsed() < DRAIN_WAIT {
        instances.tend()?;
        thread::sleep(Duration::from_millis(100));
        let now = audit.seen().outputs;
        if now > seen {
            (seen, since) = (now, Instant::now());
        }
    }
    Ok(())
}

struct Stage<'a> {
    plan: &'a Plan,
    begun: Instant,
    cluster: &'a mut Cluster,
    instances: &'a mut Instances,
    disk: Option<&'a SmallDisk>,
}

impl Stage<'_> {
    /// One fault after another until the time is over; answers when each began.
    fn break_things(&mut self, load: &Load) -> anyhow::Result<Vec<(Instant, Fault)>> {
        let session = Duration::from_millis(self.plan.session_ms);
        let mut schedule = Schedule::new(self.plan.seed, self.plan.instances, session, self.disk.is_some());
        let (end, mut faults) = (self.begun + Duration::from_secs(self.plan.duration_s), Vec::new());
        loop {
            let (quiet, fault) = schedule.next();
            let until = (Instant::now() + quiet).min(end);
            self.wait(until)?;
            ensure!(!load.has_failed(), "the load failed");
            let (Some(fault), true) = (fault, Instant::now() < end) else { return Ok(faults) };
            let (at, written) = (self.begun.elapsed().as_secs_f64(), load.written());
            say(&format!("{at:6.1} s, {written} records written: {fault}"));
            faults.push((Instant::now(), fault));
            self.perform(fault)?;
        }
    }

    fn perform(&mut self, fault: Fault) -> anyhow::Result<()> {
        match fault {
            Fault::Kill { instance, away } => {
                self.instances.kill(instance)?;
                self.wait(Instant::now() + away)?;
                self.instances.start(instance)
            }
            Fault::HoldUp { instance, away } => {
                self.instances.signal(instance, Signal::STOP)?;
                self.wait(Instant::now() + away)?;
                self.instances.signal(instance, Signal::CONT)
            }
            Fault::Broker { with_farewell } => {
                let gone = Instant::now();
                self.cluster.down(with_farewell)?;
                self.cluster.up()?;
                say(&format!("        the broker was away for {:.1} s", gone.elapsed().as_secs_f64()));
                Ok(())
            }
            Fault::FullDisk { away } => {
                let Some(disk) = self.disk else { return Ok(()) };
                disk.fill()?;
                // It comes back to a disk on which nothing can be written.
                self.instances.kill(0)?;
                self.instances.start(0)?;
                self.wait(Instant::now() + away)?;
                Ok(disk.make_room()?)
            }
        }
    }

    fn wait(&mut self, until: Instant) -> anyhow::Result<()> {
        while Instant::now() < until {
            self.instances.tend()?;
            thread::sleep(Duration::from_millis(50).min(until.saturating_duration_since(Instant::now())));
        }
        Ok(())
    }
}

/// The longest silence of any partition after each fault, and until the next.
fn tell_gaps(seen: &Seen, faults: &[(Instant, Fault)], begun: Instant) {
    for (place, (at, fault)) in faults.iter().enumerate() {
        let next = faults.get(place + 1).map(|(next, _)| *next);
        // A silence that a fault brings about may have begun with the last commit before it.
        let of_this = seen
            .gaps
            .iter()
            .filter(|gap| gap.begun + gap.length > *at && next.is_none_or(|next| gap.begun < next));
        let longest = of_this.max_by_key(|gap| gap.length);
        let said = longest.map_or_else(
            || "no gap".to_owned(),
            |gap| format!("gap {:.1} s in partition {}", gap.length.as_secs_f64(), gap.partition),
        );
        let after = at.saturating_duration_since(begun).as_secs_f64();
        say(&format!("{after:6.1} s: {fault}: {said}"));
    }
}
