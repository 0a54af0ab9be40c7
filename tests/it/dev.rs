use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::stack::{program_path, repository, until};

/// The program that serves a broker and a registry, and the lines it has said.
pub struct Dev {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Dev {
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let said = Arc::new(Mutex::new(Vec::new()));
        let heard = said.clone();
        thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| heard.lock().unwrap().push(line));
        });
        Self { child, said }
    }

    /// Waits for a line that holds these words.
    pub fn line(&self, words: &str) -> String {
        let mut found = None;
        until(&format!("dev says '{words}'"), || {
            found = self.said.lock().unwrap().iter().find(|line| line.contains(words)).cloned();
            found.is_some()
        });
        found.unwrap()
    }

    /// What it says to export.
    pub fn exported(&self, name: &str) -> String {
        let line = self.line(&format!("export {name}="));
        line.split_once('=').unwrap().1.to_owned()
    }

    /// Interrupts it, as Ctrl-C does, and waits for its end.
    pub fn stop(&mut self) -> Option<i32> {
        let _ = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        for _ in 0..600 {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status.code();
            }
            thread::sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        None
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The demo shows a search with its recommendation, ends well, and finds its data again.
pub fn demo() {
    let home = TempDir::new().unwrap();
    let start = || {
        let mut command = Command::new(program_path("dev"));
        command.args(["demo", "--kafka-port", "0", "--registry-port", "0", "--count", "2000", "--data"]);
        command.arg(home.path().join("dev")).current_dir(repository());
        Dev::start(command)
    };
    for (is_first, words) in [(true, "2000 products in"), (false, "are still there")] {
        let mut dev = start();
        dev.line("Ctrl-C stops all of it");
        dev.line(words);
        let recommendation = dev.line(r#""prompt":"Oak desk lamp""#);
        let recommendation: serde_json::Value = serde_json::from_str(&recommendation).unwrap();
        assert_eq!(recommendation["products"][0]["name"], "Oak desk lamp", "first: {is_first}");
        assert_eq!(dev.stop(), Some(0));
    }
}
