use rustyline::completion::Completer;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::Validator;
use rustyline::{
    Cmd, ConditionalEventHandler, Context, Editor, Event, EventContext, EventHandler, Helper, KeyEvent,
    Movement, RepeatCount,
};

use super::CommandEditor;
use crate::typed::COMMANDS;

/// An editor that completes commands, and whose Ctrl-C clears the line before it ends the program.
pub(super) fn open() -> Option<CommandEditor> {
    let mut editor: CommandEditor = Editor::new().ok()?;
    editor.set_helper(Some(Commands));
    editor.bind_sequence(KeyEvent::ctrl('C'), EventHandler::Conditional(Box::new(ClearFirst)));
    Some(editor)
}

/// Completes the commands, and adds nothing else to the line.
pub(crate) struct Commands;

impl Helper for Commands {}
impl Highlighter for Commands {}
impl Validator for Commands {}

impl Hinter for Commands {
    type Hint = String;
}

impl Completer for Commands {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        Ok((0, completions(line.get(..at).unwrap_or(line))))
    }
}

fn completions(begun: &str) -> Vec<String> {
    let fits = |command: &&str| begun.starts_with(':') && command.starts_with(begun);
    COMMANDS.into_iter().filter(fits).map(str::to_owned).collect()
}

struct ClearFirst;

impl ConditionalEventHandler for ClearFirst {
    fn handle(&self, _: &Event, _: RepeatCount, _: bool, context: &EventContext<'_>) -> Option<Cmd> {
        let is_empty = context.line().is_empty();
        Some(if is_empty { Cmd::Interrupt } else { Cmd::Kill(Movement::WholeBuffer) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_completed_and_filters_are_not() {
        for (begun, expected) in [
            (":", &COMMANDS[..]),
            (":g", &[":get "]),
            (":status", &[":status"]),
            (":x", &[]),
            ("", &[]),
            ("lamp", &[]),
        ] {
            assert_eq!(completions(begun), expected, "{begun:?}");
        }
    }
}
