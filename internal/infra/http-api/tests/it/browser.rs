use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::instance::until;

/// A real browser without a window, driven by Chrome's `DevTools` protocol over a pair of pipes.
pub struct Browser {
    process: Child,
    to: File,
    from: File,
    left: Vec<u8>,
    number: u64,
    session: Option<String>,
    /// What scripts threw, and what the page's policy refused.
    pub faults: Vec<String>,
    _home: TempDir,
}

/// Where Chromium is on this machine, if it is.
pub fn installed() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let names = ["chromium", "chromium-browser", "google-chrome"];
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    names
        .iter()
        .flat_map(|name| folders.iter().map(move |folder| folder.join(name)))
        .find(|file| file.is_file())
}

impl Browser {
    pub fn start(program: &Path) -> Self {
        let home = TempDir::new().unwrap();
        let (to, from) = (home.path().join("to"), home.path().join("from"));
        assert!(Command::new("mkfifo").args([&to, &from]).status().unwrap().success());
        // A shell gives the browser the descriptors that it listens on, 3 and 4.
        let line = "exec \"$0\" --headless=new --no-sandbox --disable-gpu --hide-scrollbars --disable-dev-shm-usage \
                    --remote-debugging-pipe --no-first-run --user-data-dir=\"$1\" about:blank 3<\"$2\" 4>\"$3\"";
        let mut command = Command::new("sh");
        command.args(["-c", line]).arg(program).arg(home.path().join("profile")).arg(&to).arg(&from);
        let process =
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let to = File::options().write(true).open(&to).unwrap();
        let from = File::open(&from).unwrap();
        let (left, faults) = (Vec::new(), Vec::new());
        let mut browser = Self { process, to, from, left, number: 0, session: None, faults, _home: home };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    #[allow(
        clippy::needless_pass_by_value,
        reason = "a call is easier to read with its parameters made in it"
    )]
    fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.number += 1;
        let mut request = json!({"id": self.number, "method": method, "params": parameters});
        if let Some(session) = &self.session {
            request["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{request}\0").as_bytes()).unwrap();
        loop {
            let said = self.next();
            if said["id"] == json!(self.number) {
                assert!(said["error"].is_null(), "{method}: {said}");
                return said["result"].clone();
            }
            self.note(&said);
        }
    }

    fn next(&mut self) -> Value {
        loop {
            if let Some(end) = self.left.iter().position(|byte| *byte == 0) {
                let message: Vec<_> = self.left.drain(..=end).collect();
                return serde_json::from_slice(&message[..end]).unwrap();
            }
            let mut bytes = [0; 16_000];
            let count = self.from.read(&mut bytes).unwrap();
            assert!(count > 0, "the browser has ended");
            self.left.extend_from_slice(&bytes[..count]);
        }
    }

    fn note(&mut self, said: &Value) {
        match said["method"].as_str() {
            Some("Runtime.exceptionThrown") => {
                self.faults.push(said["params"]["exceptionDetails"].to_string());
            }
            Some("Log.entryAdded") if said["params"]["entry"]["source"] == "security" => {
                self.faults.push(said["params"]["entry"]["text"].to_string());
            }
            _ => {}
        }
    }

    /// Takes the shape of a screen.
    pub fn screen(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 640});
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.call("Emulation.setEmulatedMedia", media);
    }

    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// What an expression of JavaScript gives.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "awaitPromise": true, "returnByValue": true});
        self.call("Runtime.evaluate", asked)["result"]["value"].clone()
    }

    /// Waits until the page holds these words.
    pub fn reads(&mut self, words: &str) {
        let expression = format!("document.body.innerText.includes({})", json!(words));
        until(&format!("the page says '{words}'"), || self.value(&expression) == json!(true));
    }

    /// Waits until an expression holds.
    pub fn holds(&mut self, expression: &str) {
        until(expression, || self.value(expression) == json!(true));
    }

    /// Presses a key, as a person does.
    pub fn press(&mut self, key: &str) {
        let code = if key == "Enter" { "\r" } else { "" };
        for kind in ["keyDown", "keyUp"] {
            let number = if key == "Enter" { 13 } else { 9 };
            let event =
                json!({"type": kind, "key": key, "code": key, "text": code, "windowsVirtualKeyCode": number});
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    pub fn types(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    /// Keeps a picture of the page where `CONSOLE_SHOTS` says, if it says anything.
    pub fn shot(&mut self, name: &str) {
        let Some(folder) = std::env::var_os("CONSOLE_SHOTS") else { return };
        let taken =
            self.call("Page.captureScreenshot", json!({"format": "png", "captureBeyondViewport": true}));
        let bytes = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            taken["data"].as_str().unwrap(),
        );
        fs::create_dir_all(&folder).unwrap();
        fs::write(Path::new(&folder).join(format!("{name}.png")), bytes.unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
