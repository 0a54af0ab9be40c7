use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Once;
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::dev::Dev;

/// A broker and a registry on ports of their own, stopped and removed with this.
pub struct Stack {
    home: TempDir,
    servers: Servers,
}

enum Servers {
    /// Apache Kafka and Apicurio's registry.
    Real { kafka_port: u16, registry_port: u16 },
    /// Our own, in one process.
    Embedded { dev: Dev, brokers: String, registry: String },
}

pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where the programs are built: beside this test.
fn programs() -> PathBuf {
    static BUILD: Once = Once::new();
    BUILD.call_once(|| {
        let built = Command::new(env!("CARGO"))
            .args(["build", "--workspace", "--bins"])
            .current_dir(repository())
            .status();
        assert!(built.unwrap().success(), "the programs do not build");
    });
    std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_path_buf()
}

pub fn program_path(name: &str) -> PathBuf {
    programs().join(name)
}

/// Two free ports in a row.
fn free_pair() -> u16 {
    (0..100)
        .find_map(|_| {
            let port = TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok()?.port();
            TcpListener::bind(("127.0.0.1", port.checked_add(1)?)).ok().map(|_| port)
        })
        .expect("no two free ports in a row")
}

impl Stack {
    pub fn real() -> Self {
        let servers = Servers::Real { kafka_port: free_pair(), registry_port: free_pair() };
        let stack = Self { home: TempDir::new().unwrap(), servers };
        for script in ["kafka.sh", "registry.sh"] {
            assert!(stack.script(script, "up"), "{script} did not come up");
        }
        stack
    }

    pub fn embedded() -> Self {
        let home = TempDir::new().unwrap();
        let mut command = Command::new(program_path("dev"));
        let data = home.path().join("dev").display().to_string();
        command.args([
            "up",
            "--kafka-port",
            "0",
            "--registry-port",
            "0",
            "--auto-create",
            "0",
            "--data",
            &data,
        ]);
        let dev = Dev::start(command);
        let (brokers, registry) = (dev.exported("KAFKA_BROKERS"), dev.exported("SCHEMA_REGISTRY_URL"));
        Self { home, servers: Servers::Embedded { dev, brokers, registry } }
    }

    /// Runs a script of the real servers; answers whether it ended well.
    fn script(&self, name: &str, deed: &str) -> bool {
        let Servers::Real { kafka_port, registry_port } = &self.servers else { return true };
        let mut command = Command::new(repository().join("docker/local").join(name));
        command
            .arg(deed)
            .env("MILLSTREAM_STACK_HOME", self.home.path())
            .env("MILLSTREAM_JARS", repository().join(".stack/jars"))
            .env("KAFKA_PORT", kafka_port.to_string())
            .env("REGISTRY_PORT", registry_port.to_string());
        command.status().unwrap().success()
    }

    pub fn brokers(&self) -> String {
        match &self.servers {
            Servers::Real { kafka_port, .. } => format!("127.0.0.1:{kafka_port}"),
            Servers::Embedded { brokers, .. } => brokers.clone(),
        }
    }

    pub fn registry(&self) -> String {
        match &self.servers {
            Servers::Real { registry_port, .. } => {
                format!("http://127.0.0.1:{registry_port}/apis/ccompat/v7")
            }
            Servers::Embedded { registry, .. } => registry.clone(),
        }
    }

    pub fn folder(&self, name: &str) -> PathBuf {
        let folder = self.home.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// What a program is told by its environment; topics begin with `prefix`.
    pub fn settings(&self, prefix: &str) -> Vec<(String, String)> {
        let topic = |name: &str| format!("{prefix}{name}");
        [
            ("KAFKA_BROKERS", self.brokers()),
            ("SCHEMA_REGISTRY_URL", self.registry()),
            ("PRODUCT_TOPIC", topic("shop_products")),
            ("PRODUCT_WITH_FULL_IMG_SET_TOPIC", topic("shop_products_full_img_set")),
            ("PRODUCT_FILTERED_TOPIC", topic("analytic_products_filtered")),
            ("PRODUCT_FIND_TOPIC", topic("analytic_products_find")),
            ("RECOMMENDATION_TOPIC", topic("personal_recom")),
            ("STREAM_GROUP", topic("product-stream")),
            ("XDG_STATE_HOME", self.folder("state").display().to_string()),
            ("USER", "tester".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A program with its settings, in a folder that has no files of its own.
    pub fn program(&self, name: &str, prefix: &str) -> Command {
        let mut command = Command::new(programs().join(name));
        command.envs(self.settings(prefix)).current_dir(self.folder("empty")).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    pub fn run(&self, name: &str, prefix: &str, arguments: &[&str]) -> Output {
        self.program(name, prefix).args(arguments).output().unwrap()
    }

    pub fn run_well(&self, name: &str, prefix: &str, arguments: &[&str]) -> String {
        let output = self.run(name, prefix, arguments);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "{name} {arguments:?}: {said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        said
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        for script in ["registry.sh", "kafka.sh"] {
            self.script(script, "down");
        }
        if let Servers::Embedded { dev, .. } = &mut self.servers {
            dev.stop();
        }
    }
}

/// A program in the background, with its metrics; killed with this unless it was stopped.
pub struct Background {
    child: Child,
    pub http: u16,
}

impl Background {
    /// Starts `name` with its metrics on a port of their own.
    pub fn start(stack: &Stack, name: &str, prefix: &str, arguments: &[&str]) -> Self {
        Self::start_with(stack, name, prefix, arguments, &[])
    }

    /// The same, with more in its environment.
    pub fn start_with(
        stack: &Stack,
        name: &str,
        prefix: &str,
        arguments: &[&str],
        more: &[(&str, &str)],
    ) -> Self {
        let http = free_pair();
        let mut command = stack.program(name, prefix);
        command.envs(more.iter().copied()).args(arguments).args(["--http", &format!("127.0.0.1:{http}")]);
        let log = std::fs::File::create(stack.folder("log").join(format!("{prefix}{name}.log"))).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let background = Self { child: command.spawn().unwrap(), http };
        until(&format!("{name} is ready"), || {
            get(background.http, "readyz").is_some_and(|(status, _)| status == 200)
        });
        background
    }

    /// The sum of a metric over all its labels.
    pub fn metric(&self, name: &str) -> f64 {
        metric(self.http, name)
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, as Ctrl-C does, and sees that it ends well.
    pub fn interrupt(mut self) {
        let told = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(told.success());
        let mut code = None;
        until("the program drained", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        assert!(code.unwrap().success(), "it ended with {code:?}");
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn metric(http: u16, name: &str) -> f64 {
    let text = get(http, "metrics").map(|(_, text)| text).unwrap_or_default();
    let of_name = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    text.lines().filter(of_name).filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

pub fn get(http: u16, path: &str) -> Option<(u16, String)> {
    let answer = reqwest::blocking::get(format!("http://127.0.0.1:{http}/{path}")).ok()?;
    Some((answer.status().as_u16(), answer.text().ok()?))
}

/// Waits for a condition; far longer than it should ever take.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_mins(2), "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}
