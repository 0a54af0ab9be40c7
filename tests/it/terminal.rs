use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::thread;

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};

use crate::stack::{Stack, program_path, until};

/// A program on a terminal of its own, typed at and read as a person does.
pub struct Terminal {
    child: Box<dyn Child + Send + Sync>,
    writer: Box<dyn Write + Send>,
    shown: Arc<Mutex<String>>,
    _master: Box<dyn MasterPty + Send>,
}

impl Terminal {
    pub fn open(stack: &Stack, name: &str, prefix: &str, arguments: &[&str]) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize { rows: 40, cols: 160, pixel_width: 0, pixel_height: 0 })
            .unwrap();
        let mut command = CommandBuilder::new(program_path(name));
        command.args(arguments);
        command.cwd(stack.folder("empty"));
        command.env("TERM", "xterm");
        stack.settings(prefix).into_iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (mut reader, writer) =
            (pair.master.try_clone_reader().unwrap(), pair.master.take_writer().unwrap());
        let shown = Arc::new(Mutex::new(String::new()));
        let screen = shown.clone();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                screen.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..count]));
            }
        });
        Self { child, writer, shown, _master: pair.master }
    }

    pub fn type_line(&mut self, line: &str) {
        self.writer.write_all(format!("{line}\r").as_bytes()).unwrap();
        self.writer.flush().unwrap();
    }

    pub fn shown(&self) -> String {
        self.shown.lock().unwrap().clone()
    }

    /// Waits until the terminal has shown a text `times` times.
    pub fn wait_for(&self, text: &str, times: usize) {
        until(&format!("the terminal shows {text:?}; it shows\n{}", self.shown()), || {
            self.shown().matches(text).count() >= times
        });
    }

    /// Presses Ctrl-C and sees that the program ends well.
    pub fn interrupt(mut self) {
        self.writer.write_all(&[3]).unwrap();
        self.writer.flush().unwrap();
        let mut code = None;
        until("the program ended after Ctrl-C", || {
            code = self.child.try_wait().unwrap();
            code.is_some()
        });
        assert!(code.unwrap().success(), "{}", self.shown());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
