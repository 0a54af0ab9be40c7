use std::collections::BTreeMap;
use std::time::Duration;

use millstream_model::Partition;
use millstream_runtime::{Delivery, MemoryBudget, Processor, Settings, Stepped, Visiting};
use millstream_sim::{Chance, Faults, Sim};

use super::checks::check;
use super::ledger::{GROUP, KEYS, PARTITIONS, Shared, graph, key, outside, visitor};

/// Deeds before everything calms down.
const DEEDS: usize = 120;

/// Steps in which a calm world comes to rest.
const REST_STEPS_MAX: usize = 3_000;

/// How long a group waits for a member.
const SESSION: Duration = Duration::from_secs(6);

/// One run: some processes of a group, and what is done to them.
pub struct Run {
    sim: Sim,
    chance: Chance,
    settings: Settings,
    processes: Vec<(Sim, Stepped<Sim>)>,
    /// How many records each input has.
    written: [usize; 2],
    outside: Shared,
    visiting: Vec<(usize, Visiting)>,
    /// How many keys each visit reported that came to its end.
    visited: BTreeMap<usize, u64>,
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
            deferred_max: [1, 3, 1_000][chance.below(3)],
            waiting_bytes_max: [1, 900, 1 << 20][chance.below(3)],
            standbys: [0, 0, 1, 2][chance.below(4)],
            ..Settings::default()
        };
        let (processes, visiting) = (Vec::new(), Vec::new());
        let (written, outside, visited) = ([0; 2], outside(seed), BTreeMap::new());
        Self { sim, chance, settings, processes, written, outside, visiting, visited, is_told }
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
        self.outside.lock().unwrap().flaky = 0;
        self.come_to_rest()?;
        self.flush();
        self.come_to_rest()?;
        let processes = std::mem::take(&mut self.processes);
        let mut running: Vec<_> = processes.into_iter().map(|(_, running)| running).collect();
        check(&self.sim, &mut running, self.written, self.settings.delivery, &self.visited)?;
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
            slow_commits: some(800),
            refused_commits: some(300),
            late_markers: some(900),
            repeated_polls: some(500),
            short_polls: some(900),
            failing_stores: some(200),
            damaged_stores: some(60),
            busy_stores: some(500),
            record_bytes_max: None,
            accepted_bytes_max: None,
        };
        self.outside.lock().unwrap().flaky = some(150);
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
                self.sim.advance(SESSION);
                self.sim.expire_member(GROUP, self.chance.below(3));
            }
            56 => {
                self.tell("rebalance");
                self.sim.rebalance(GROUP);
            }
            57 => self.set_faults(),
            58..64 => self.answer(),
            64..66 => self.visit(),
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

    /// Moves the time of every partition on, so that all timers are due.
    fn flush(&mut self) {
        self.sim.advance(Duration::from_secs(1));
        (0..KEYS).for_each(|number| self.sim.write("a", key(number).as_bytes(), Some(b"flush")));
    }

    /// Gives a record the answer it waits for, or none.
    fn answer(&mut self) {
        let mut outside = self.outside.lock().unwrap();
        if outside.awaited.is_empty() {
            return;
        }
        let place = self.chance.below(outside.awaited.len());
        let completion = outside.awaited.remove(place);
        self.tell("an answer");
        if self.chance.hits(200) { drop(completion) } else { completion.complete(()) }
    }

    fn visit(&mut self) {
        if self.processes.is_empty() {
            return;
        }
        let place = self.chance.below(self.processes.len());
        let number = self.visiting.len();
        self.tell(&format!("visit {number}"));
        if let Ok(visiting) = self.processes[place].1.visit(&visitor(), number) {
            self.visiting.push((number, visiting));
        }
    }

    /// Notes which visits came to their ends.
    fn see_visits(&mut self) {
        for (number, visiting) in &mut self.visiting {
            if let Ok(Some(count)) = visiting.poll() {
                self.visited.insert(*number, count);
            }
        }
    }

    fn start(&mut self) {
        let process = self.place();
        let processor = Processor::new(process.clone(), graph(&self.outside)).settings(self.settings.clone());
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
        let (_, running) = self.processes.remove(place);
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
            let awaited = std::mem::take(&mut self.outside.lock().unwrap().awaited);
            came_up |= !awaited.is_empty();
            for completion in awaited {
                completion.complete(());
            }
            self.see_visits();
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
