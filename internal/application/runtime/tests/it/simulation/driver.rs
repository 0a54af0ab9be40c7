use std::time::Duration;

use millstream_model::Partition;
use millstream_runtime::{Delivery, MemoryBudget, Processor, Settings, Stepped};
use millstream_sim::{Chance, Faults, Sim};

use super::checks::check;
use super::ledger::{GROUP, PARTITIONS, graph, key};

/// Deeds before everything calms down.
const DEEDS: usize = 120;

/// Steps in which a calm world comes to rest.
const REST_STEPS_MAX: usize = 3_000;

/// One run: some processes of a group, and what is done to them.
pub struct Run {
    sim: Sim,
    chance: Chance,
    settings: Settings,
    processes: Vec<(Sim, Stepped<Sim>)>,
    /// How many records each input has.
    written: [usize; 2],
    is_told: bool,
}

impl Run {
    pub fn new(seed: u64, delivery: Delivery, is_told: bool) -> Self {
        let (sim, mut chance) = (Sim::new(), Chance::new(seed));
        for topic in ["a", "b", "out"] {
            sim.create(topic, PARTITIONS);
        }
        let settings = Settings {
            delivery,
            workers: 1 + chance.below(2),
            commit_interval: Some(Duration::from_millis(100)),
            store_interval: Duration::from_millis(100 * (1 + chance.below(5) as u64)),
            memory: MemoryBudget::of_bytes([1, 1_000, 1 << 20][chance.below(3)]),
            store_batch_bytes: [1, 300, 1 << 20][chance.below(3)],
            store_bytes_max: [1, 500, 1 << 20][chance.below(3)],
            dirty_bytes_max: [300, 1 << 20][chance.below(2)],
            standbys: [0, 0, 1, 2][chance.below(4)],
            ..Settings::default()
        };
        Self { sim, chance, settings, processes: Vec::new(), written: [0; 2], is_told }
    }

    fn tell(&self, said: &str) {
        if self.is_told {
            println!("{said}");
        }
    }

    pub fn play(mut self) -> Result<(), String> {
        self.set_faults();
        for _ in 0..DEEDS {
            self.deed();
        }
        self.tell("calm");
        self.sim.set_faults(Faults::default());
        self.come_to_rest()?;
        let processes = std::mem::take(&mut self.processes);
        let mut running: Vec<_> = processes.into_iter().map(|(_, running)| running).collect();
        check(&self.sim, &mut running, self.written, self.settings.delivery)?;
        for process in running {
            process.stop().map_err(|error| format!("it did not stop: {error}"))?;
        }
        if self.settings.standbys == 0 { super::checks::check_stores(&self.sim) } else { Ok(()) }
    }

    fn set_faults(&mut self) {
        let seed = self.chance.below(usize::MAX) as u64;
        let mut some = |most: usize| {
            if self.chance.hits(500) { u32::try_from(self.chance.below(most)).unwrap() } else { 0 }
        };
        let faults = Faults {
            seed,
            crash_at_effect: None,
            slow_sends: some(800),
            failing_sends: some(200),
            refused_commits: some(300),
            late_markers: some(900),
            repeated_polls: some(500),
            short_polls: some(900),
            failing_stores: some(200),
            busy_stores: some(500),
        };
        let crash_at_effect = self.chance.hits(700).then(|| 1 + self.chance.below(60) as u64);
        let faults = Faults { crash_at_effect, ..faults };
        self.tell(&format!("{:?}\n{faults:?}", self.settings));
        self.sim.set_faults(faults);
    }

    fn deed(&mut self) {
        match self.chance.below(100) {
            0..20 => self.write(),
            20..35 => self.sim.advance(Duration::from_millis(self.chance.below(120) as u64)),
            35..43 if self.processes.len() < 3 => self.start(),
            43..46 => self.stop(),
            46..49 => self.crash(),
            49..56 => {
                self.tell("a member is not heard of for too long");
                self.sim.expire_member(GROUP, self.chance.below(3));
            }
            56 => {
                self.tell("rebalance");
                self.sim.rebalance(GROUP);
            }
            57 => self.set_faults(),
            _ => self.step(),
        }
    }

    fn write(&mut self) {
        for _ in 0..=self.chance.below(4) {
            let input = self.chance.below(2);
            let id = self.written[input];
            self.written[input] += 1;
            self.tell(&format!("{}{id} for {}", ["a", "b"][input], key(id)));
            self.sim.write(["a", "b"][input], key(id).as_bytes(), Some(id.to_string().as_bytes()));
        }
    }

    fn start(&mut self) {
        let process = self.place();
        let processor = Processor::new(process.clone(), graph()).settings(self.settings.clone());
        match processor.stepped() {
            Ok(running) => {
                self.tell("a process starts");
                self.processes.push((process, running));
            }
            Err(error) => self.tell(&format!("a process does not start: {error}")),
        }
    }

    /// A new process. With standbys it is on a machine of its own, as two can't have the same store.
    fn place(&mut self) -> Sim {
        if self.settings.standbys == 0 {
            return self.sim.process();
        }
        let is_used = |disk: &usize| self.processes.iter().any(|(process, _)| process.disk() == *disk);
        let free: Vec<_> = (1..=4).filter(|disk| !is_used(disk)).collect();
        self.sim.process_on(free[self.chance.below(free.len())])
    }

    fn stop(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let place = self.chance.below(self.processes.len());
        let (_, mut running) = self.processes.remove(place);
        if self.settings.delivery == Delivery::AtLeastOnce && self.settings.standbys > 0 {
            // A member that was replaced and does not know it still writes to the changelog, with its last words too, and only
            // exactly-once fences it off. Who has the new owner's store is not misled, but on another machine there is none.
            let _ = running.step();
        }
        let stopped = running.stop();
        self.tell(&format!("process {place} stops: {stopped:?}"));
    }

    fn crash(&mut self) {
        if !self.processes.is_empty() {
            let place = self.chance.below(self.processes.len());
            self.tell(&format!("process {place} is killed"));
            let (process, _running) = self.processes.remove(place);
            process.crash();
        }
    }

    fn step(&mut self) {
        if self.processes.is_empty() {
            return self.start();
        }
        let place = self.chance.below(self.processes.len());
        let stepped = self.processes[place].1.step();
        if let Err(error) = stepped {
            let has_crashed = self.processes[place].0.has_crashed();
            self.tell(&format!("process {place} ends (crashed: {has_crashed}): {error}"));
            self.processes.remove(place);
        }
    }

    /// Lets everybody work until all that was written is processed and committed.
    fn come_to_rest(&mut self) -> Result<(), String> {
        self.processes.retain(|(process, _)| !process.has_crashed());
        if self.processes.is_empty() {
            self.start();
        }
        let mut quiet = 0;
        for _ in 0..REST_STEPS_MAX {
            let mut came_up = false;
            for (_, running) in &mut self.processes {
                came_up |= running.step().map_err(|error| format!("it ended in a calm world: {error}"))?;
            }
            self.sim.advance(Duration::from_millis(50));
            quiet = if came_up { 0 } else { quiet + 1 };
            if quiet > 5 {
                return if self.is_done() { Ok(()) } else { Err(self.passed_over()) };
            }
        }
        Err("it never comes to rest".to_owned())
    }

    fn passed_over(&self) -> String {
        let owned = self.processes.iter().map(|(_, running)| running.status().snapshot().partitions);
        format!("records were passed over by {:?}", owned.collect::<Vec<_>>())
    }

    /// Whether the group has committed all that readers can see.
    fn is_done(&self) -> bool {
        ["a", "b", "ledger-loop"].iter().all(|topic| {
            let mut last = [None; PARTITIONS as usize];
            for (partition, offset, _) in self.sim.read_with_places(topic) {
                last[partition.index()] = Some(offset.next());
            }
            (0..).map(Partition::new).zip(last).all(|(partition, last)| {
                last.is_none_or(|last| {
                    self.sim.committed(GROUP, topic, partition).is_some_and(|at| at >= last)
                })
            })
        })
    }
}
