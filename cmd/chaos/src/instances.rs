use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::run::say;
use crate::settings::Plan;

/// Time until an instance that ended by itself is started anew, as a supervisor would.
const RESTART_WAIT: Duration = Duration::from_secs(1);

/// How long an instance may take to end when it is asked to.
const END_WAIT: Duration = Duration::from_mins(1);

/// The processes of the group.
pub(crate) struct Instances {
    plan: Plan,
    brokers: String,
    all: Vec<Instance>,
    /// How often one ended that nobody had ended.
    pub(crate) failures: u64,
}

struct Instance {
    folder: PathBuf,
    child: Option<Child>,
    /// It is down on purpose.
    is_held: bool,
    ended_at: Option<Instant>,
}

impl Instances {
    pub(crate) fn new(plan: &Plan, brokers: String) -> anyhow::Result<Self> {
        let all = (0..plan.instances).map(|place| {
            let folder = plan.folder.join(format!("state-{place}"));
            fs::create_dir_all(&folder)?;
            Ok(Instance { folder, child: None, is_held: false, ended_at: None })
        });
        let all = all.collect::<anyhow::Result<_>>()?;
        Ok(Self { plan: plan.clone(), brokers, all, failures: 0 })
    }

    pub(crate) fn folders(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(|instance| instance.folder.as_path())
    }

    pub(crate) fn start(&mut self, place: usize) -> anyhow::Result<()> {
        let (plan, brokers) = (&self.plan, &self.brokers);
        let log = File::options()
            .create(true)
            .append(true)
            .open(plan.folder.join(format!("member-{place}.log")))?;
        let Some(instance) = self.all.get_mut(place) else { return Ok(()) };
        let mut command = Command::new(std::env::current_exe()?);
        command
            .args(["member", "--brokers", brokers, "--protocol", &plan.protocol, "--folder"])
            .arg(&instance.folder);
        command.args([
            "--standbys",
            &plan.standbys.to_string(),
            "--session-ms",
            &plan.session_ms.to_string(),
        ]);
        if plan.named {
            command.args(["--name", &format!("chaos-{place}")]);
        }
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        (instance.child, instance.is_held, instance.ended_at) = (Some(command.spawn()?), false, None);
        Ok(())
    }

    pub(crate) fn kill(&mut self, place: usize) -> anyhow::Result<()> {
        let Some(instance) = self.all.get_mut(place) else { return Ok(()) };
        instance.is_held = true;
        if let Some(mut child) = instance.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub(crate) fn signal(&mut self, place: usize, signal: Signal) -> anyhow::Result<()> {
        if let Some(child) = self.all.get(place).and_then(|instance| instance.child.as_ref()) {
            kill_process(Pid::from_child(child), signal)?;
        }
        Ok(())
    }

    /// Starts anew what ended by itself.
    pub(crate) fn tend(&mut self) -> anyhow::Result<()> {
        for place in 0..self.all.len() {
            if self.is_due(place)? {
                self.start(place)?;
            }
        }
        Ok(())
    }

    fn is_due(&mut self, place: usize) -> anyhow::Result<bool> {
        let Some(instance) = self.all.get_mut(place) else { return Ok(false) };
        if let Some(child) = &mut instance.child
            && let Some(status) = child.try_wait()?
        {
            (instance.child, instance.ended_at) = (None, Some(Instant::now()));
            self.failures += 1;
            say(&format!("instance {place} ended by itself: {status}"));
        }
        let waited = instance.ended_at.is_some_and(|at| at.elapsed() >= RESTART_WAIT);
        Ok(instance.child.is_none() && !instance.is_held && waited)
    }

    /// Asks all to end; answers whether all did so well.
    pub(crate) fn stop(&mut self) -> anyhow::Result<bool> {
        for place in 0..self.all.len() {
            self.signal(place, Signal::TERM)?;
        }
        let mut ended_well = true;
        for (place, instance) in self.all.iter_mut().enumerate() {
            let Some(mut child) = instance.child.take() else { continue };
            let well = ends(&mut child)?;
            if !well {
                say(&format!("instance {place} did not end well"));
            }
            ended_well &= well;
        }
        Ok(ended_well)
    }
}

fn ends(child: &mut Child) -> anyhow::Result<bool> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if begun.elapsed() > END_WAIT {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        for mut child in self.all.iter_mut().filter_map(|instance| instance.child.take()) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
