use std::io::{IsTerminal, Write, stdin, stdout};

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// What the editor switches on while it reads, and would switch off if it could end: that pastes come in brackets.
const NO_BRACKETED_PASTE: &[u8] = b"\x1b[?2004l\r\n";

/// Leaves the terminal as it was found, also when the program ends while somebody types.
pub(super) struct Restored(Option<Termios>);

impl Restored {
    pub(super) fn when_dropped() -> Self {
        Self(tcgetattr(stdin()).ok())
    }
}

impl Drop for Restored {
    fn drop(&mut self) {
        let Some(found) = &self.0 else { return };
        let was_reading = tcgetattr(stdin()).is_ok_and(|now| now.local_modes != found.local_modes);
        let _ = tcsetattr(stdin(), OptionalActions::Drain, found);
        if was_reading && stdout().is_terminal() {
            let mut out = stdout().lock();
            let _ = out.write_all(NO_BRACKETED_PASTE);
            let _ = out.flush();
        }
    }
}
