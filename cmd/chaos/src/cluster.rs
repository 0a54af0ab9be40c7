use std::fs;
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use millstream_broker::{Broker, BrokerSettings};
use rustix::process::{Pid, Signal, kill_process};

use crate::settings::{On, Plan, Serve};

/// How long Kafka's own quorum waits for a broker that is silent: so long one is away at least that was killed.
const SESSION_MS: &str = "9000";

/// How long a broker may take to come up.
const START_WAIT: Duration = Duration::from_mins(2);

/// The embedded broker, until a signal comes.
pub(crate) fn serve(serve: &Serve) -> anyhow::Result<()> {
    let broker = Broker::start(BrokerSettings::new(&serve.folder, (Ipv4Addr::LOCALHOST, serve.port).into()))?;
    let (told, stopped) = channel();
    ctrlc::set_handler(move || {
        let _ = told.send(());
    })?;
    let _ = stopped.recv();
    broker.stop();
    Ok(())
}

/// The broker of a run. Dropping it stops it.
pub(crate) struct Cluster {
    port: u16,
    folder: PathBuf,
    kind: Kind,
}

enum Kind {
    Kafka { script: PathBuf },
    Embedded { child: Option<Child> },
}

impl Cluster {
    pub(crate) fn start(plan: &Plan) -> anyhow::Result<Self> {
        let kind = match plan.on {
            On::Kafka => Kind::Kafka { script: fs::canonicalize(&plan.kafka_script)? },
            On::Embedded => Kind::Embedded { child: None },
        };
        let folder = fs::canonicalize(&plan.folder)?;
        let mut cluster = Self { port: plan.port, folder, kind };
        cluster.up()?;
        Ok(cluster)
    }

    pub(crate) fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn up(&mut self) -> anyhow::Result<()> {
        let (folder, port) = (self.folder.join("broker"), self.port.to_string());
        match &mut self.kind {
            Kind::Kafka { script } => return kafka(script, "up", &folder, self.port),
            Kind::Embedded { child } => {
                let mut command = Command::new(std::env::current_exe()?);
                command.args(["broker", "--port", &port, "--folder"]).arg(folder);
                *child = Some(command.stdin(Stdio::null()).spawn()?);
            }
        }
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            ensure!(begun.elapsed() < START_WAIT, "the broker did not come up on port {port}");
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it: asked to, or with no farewell.
    pub(crate) fn down(&mut self, with_farewell: bool) -> anyhow::Result<()> {
        let folder = self.folder.join("broker");
        match &mut self.kind {
            Kind::Kafka { script } => {
                if !with_farewell {
                    kill_process(kafka_pid(&folder)?, Signal::KILL)?;
                }
                // After a kill it only puts the script's notes in order.
                kafka(script, "down", &folder, self.port)
            }
            Kind::Embedded { child } => {
                let Some(mut child) = child.take() else { return Ok(()) };
                let signal = if with_farewell { Signal::TERM } else { Signal::KILL };
                kill_process(Pid::from_child(&child), signal)?;
                child.wait()?;
                Ok(())
            }
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.down(true);
    }
}

fn kafka(script: &Path, deed: &str, folder: &Path, port: u16) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut command = Command::new(script);
    command.arg(deed).env("MILLSTREAM_STACK_HOME", folder).env("KAFKA_PORT", port.to_string());
    command.env("KAFKA_SESSION_MS", SESSION_MS);
    let done = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let done = done.with_context(|| format!("could not run {}", script.display()))?;
    ensure!(done.success(), "'{} {deed}' failed", script.display());
    Ok(())
}

/// The process that the script has noted.
fn kafka_pid(folder: &Path) -> anyhow::Result<Pid> {
    let noted = fs::read_to_string(folder.join("pid/kafka"))?;
    let pid = noted.split_whitespace().next().and_then(|pid| Pid::from_raw(pid.parse().ok()?));
    let Some(pid) = pid else { bail!("the script noted no process of Kafka's") };
    Ok(pid)
}
