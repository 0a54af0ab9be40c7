use std::env;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process};

use crate::Stack;

/// How long a program may take to drain and commit.
const PATIENCE: Duration = Duration::from_secs(30);

/// How often it looks whether a program is up.
const LOOK: Duration = Duration::from_millis(20);

/// What a new platform calls its topics; the environment counts more.
const TOPICS: [(&str, &str); 5] = [
    ("PRODUCT_TOPIC", "shop_products"),
    ("PRODUCT_WITH_FULL_IMG_SET_TOPIC", "shop_products_full_img_set"),
    ("PRODUCT_FILTERED_TOPIC", "analytic_products_filtered"),
    ("PRODUCT_FIND_TOPIC", "analytic_products_find"),
    ("RECOMMENDATION_TOPIC", "personal_recom"),
];

/// The platform's programs, which lie beside this one, on one stack.
pub(super) struct Programs {
    folder: PathBuf,
    logs: PathBuf,
    environment: Vec<(&'static str, String)>,
    state: PathBuf,
    running: Vec<(&'static str, Child)>,
}

impl Programs {
    pub(super) fn new(data: &Path, stack: &Stack) -> anyhow::Result<Self> {
        let this = env::current_exe().context("can't tell where this program lies")?;
        let folder = this.parent().context("can't tell where this program lies")?.to_path_buf();
        let data = fs::canonicalize(data).with_context(|| format!("can't find {}", data.display()))?;
        let (logs, state) = (data.join("demo-logs"), data.join("demo-state"));
        fs::create_dir_all(&logs).with_context(|| format!("can't create {}", logs.display()))?;
        let of =
            |(name, value): (&'static str, &str)| (name, env::var(name).unwrap_or_else(|_| value.to_owned()));
        let places = [("KAFKA_BROKERS", stack.brokers()), ("SCHEMA_REGISTRY_URL", stack.registry_url())];
        let environment = places.into_iter().chain(TOPICS.map(of)).collect();
        Ok(Self { folder, logs, environment, state, running: Vec::new() })
    }

    pub(super) fn logs(&self) -> &Path {
        &self.logs
    }

    pub(super) fn environment(&self) -> &[(&'static str, String)] {
        &self.environment
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// In a process group of its own, so that Ctrl-C comes to this program alone, which ends the others in order.
    fn command(&self, name: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path(name));
        command.args(arguments).envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.env("STREAM_STATE_DIR", &self.state).env("RULES_STATE_DIR", &self.state);
        command.stdin(Stdio::null()).process_group(0);
        command
    }

    fn log(&self, name: &str) -> anyhow::Result<(Stdio, Stdio)> {
        let path = self.logs.join(format!("{name}.log"));
        let open = || {
            let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
            let second = file.try_clone().with_context(|| format!("can't write {}", path.display()))?;
            anyhow::Ok((file.into(), second.into()))
        };
        open()
    }

    /// Starts one that stays, with what it says in a log.
    pub(super) fn start(&mut self, name: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
        let (out, err) = self.log(name)?;
        let child = self.command(name, arguments).stdout(out).stderr(err).spawn();
        self.running.push((name, child.with_context(|| self.missing(name))?));
        Ok(())
    }

    /// Waits until one that stays has said these words.
    pub(super) fn wait_for(&mut self, name: &str, words: &str) -> anyhow::Result<()> {
        let log = self.logs.join(format!("{name}.log"));
        let begun = Instant::now();
        while !fs::read_to_string(&log).is_ok_and(|said| said.contains(words)) {
            self.all_run()?;
            anyhow::ensure!(begun.elapsed() < PATIENCE, "{name} is not up; its log is {}", log.display());
            thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Runs one to its end, with what it says in a log.
    pub(super) fn run(&mut self, name: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
        let (out, err) = self.log(&format!("{name}-{}", arguments.first().unwrap_or(&"")))?;
        let status = self.command(name, arguments).stdout(out).stderr(err).status();
        self.ended(name, status.with_context(|| self.missing(name))?)
    }

    /// Runs one to its end, with what it says here.
    pub(super) fn show(&mut self, name: &'static str, arguments: &[&str]) -> anyhow::Result<()> {
        let status = self.command(name, arguments).status().with_context(|| self.missing(name))?;
        self.ended(name, status)
    }

    fn missing(&self, name: &str) -> String {
        format!("can't start {}; is it built? 'make build' builds all programs", self.path(name).display())
    }

    fn ended(&self, name: &str, status: ExitStatus) -> anyhow::Result<()> {
        anyhow::ensure!(
            status.success(),
            "{name} ended with {status}; its log is in {}",
            self.logs.display()
        );
        Ok(())
    }

    /// # Errors
    /// When one that should run has ended.
    pub(super) fn all_run(&mut self) -> anyhow::Result<()> {
        for (name, child) in &mut self.running {
            if let Some(status) = child.try_wait().with_context(|| format!("can't watch {name}"))? {
                anyhow::bail!("{name} ended by itself with {status}; its log is in {}", self.logs.display());
            }
        }
        Ok(())
    }

    /// Lets all of them drain and commit; ends those that take too long.
    pub(super) fn stop(&mut self) {
        for (_, child) in &self.running {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let _ = pid.map(|pid| kill_process(pid, Signal::TERM));
        }
        let deadline = Instant::now() + PATIENCE;
        for (_, child) in &mut self.running {
            while child.try_wait().is_ok_and(|ended| ended.is_none()) && Instant::now() < deadline {
                thread::sleep(Duration::from_millis(20));
            }
            // Of one that has ended already this does nothing.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.running.clear();
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        self.stop();
    }
}
