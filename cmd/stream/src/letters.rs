use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use millstream_kafka_log::KafkaWorld;
use millstream_model::{Offset, Partition, Timestamp, TopicName};
use millstream_runtime::{DeadLetter, DeadLetters, LetterFilter, Replayed};

use crate::settings::StreamSettings;

/// Bytes of a value that are shown.
const SHOWN_BYTES: usize = 200;

/// What to do with dead letters.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Show letters, one a line: where each lies, where it came from, what failed, and its key; with --verbose its value too
    List {
        #[command(flatten)]
        which: Which,
        /// Show those too that were replayed
        #[arg(long)]
        all: bool,
    },
    /// Send letters back to where they came from, each once, however often this is run
    Replay {
        #[command(flatten)]
        which: Which,
        /// Send nothing; show what would be sent
        #[arg(long)]
        dry_run: bool,
    },
}

/// Which letters are meant: all, unless something is said.
#[derive(Args)]
pub(crate) struct Which {
    /// The dead-letter topic [default: <STREAM_GROUP>-dead-letters]
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Letters whose record came from this topic
    #[arg(long, value_name = "TOPIC")]
    from: Option<String>,
    /// Letters of this group, where several share a topic
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Letters that failed at this stage: decode, callback, produce, join, lookup, timer or visitor
    #[arg(long, value_name = "STAGE")]
    stage: Option<String>,
    /// Letters whose error has this in it
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
    /// Letters with this key
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Letters whose record is of this time or later, in milliseconds since 1970
    #[arg(long, value_name = "MS")]
    since: Option<i64>,
    /// Letters whose record is before this time, in milliseconds since 1970
    #[arg(long, value_name = "MS")]
    until: Option<i64>,
    /// This letter alone, as `list` shows its place; may be given several times
    #[arg(long, value_name = "PARTITION@OFFSET", value_parser = place)]
    at: Vec<(Partition, Offset)>,
}

fn place(text: &str) -> Result<(Partition, Offset), String> {
    let malformed = || format!("'{text}' is no place; write the partition, @ and the offset, such as 0@17");
    let (partition, offset) = text.split_once('@').ok_or_else(malformed)?;
    let offset = offset.parse().map_err(|_| malformed())?;
    Ok((Partition::new(partition.parse().map_err(|_| malformed())?), Offset(offset)))
}

impl Which {
    fn filter(&self, with_replayed: bool) -> LetterFilter {
        LetterFilter {
            topic: self.from.clone(),
            group: self.group.clone(),
            stage: self.stage.clone(),
            message: self.message.clone(),
            key: self.key.as_ref().map(|key| key.as_bytes().to_vec()),
            since: self.since.map(Timestamp),
            until: self.until.map(Timestamp),
            places: self.at.clone(),
            with_replayed,
        }
    }
}

/// Does what was asked for, and says what became of each letter.
pub(crate) fn run(settings: &StreamSettings, verb: &Verb, shows_values: bool) -> anyhow::Result<()> {
    let (Verb::List { which, .. } | Verb::Replay { which, .. }) = verb;
    let topic = which.topic.clone().unwrap_or_else(|| format!("{}-dead-letters", settings.group));
    let topic = TopicName::new(topic).context("--topic")?;
    let world = KafkaWorld::without_tables(crate::wiring::kafka(settings)?);
    let letters = DeadLetters::new(world, topic);
    let mut out = Told { out: io::stdout().lock(), shows_values, broken: None };
    match verb {
        Verb::List { which, all } => {
            let count = letters.list(&which.filter(*all), |letter| out.letter("", letter))?;
            out.end(&format!("{count} dead letters in {}", letters.topic()))
        }
        Verb::Replay { which, dry_run } => replay(&letters, &which.filter(false), *dry_run, &mut out),
    }
}

fn replay<W: millstream_ports::World>(
    letters: &DeadLetters<W>,
    filter: &LetterFilter,
    dry_run: bool,
    out: &mut Told<impl Write>,
) -> anyhow::Result<()> {
    let mut tell = |letter: &DeadLetter, outcome: &Replayed| match outcome {
        Replayed::Sent if dry_run => out.letter("to be replayed ", letter),
        Replayed::Sent => out.letter("replayed ", letter),
        Replayed::Impossible(reason) => out.letter(&format!("left, as {reason}: "), letter),
    };
    let replays =
        if dry_run { letters.dry_run(filter, &mut tell) } else { letters.replay(filter, &mut tell) }?;
    let what = if dry_run { "would be replayed" } else { "replayed" };
    out.end(&format!("{} {what}, {} can't be", replays.sent, replays.impossible))
}

/// Where letters are shown.
struct Told<O> {
    out: O,
    shows_values: bool,
    broken: Option<io::Error>,
}

impl<O: Write> Told<O> {
    fn letter(&mut self, before: &str, letter: &DeadLetter) {
        let line = format!("{before}{}", line(letter, self.shows_values));
        if let Err(error) = writeln!(self.out, "{line}") {
            self.broken.get_or_insert(error);
        }
    }

    fn end(&mut self, said: &str) -> anyhow::Result<()> {
        writeln!(self.out, "{said}")?;
        self.broken.take().map_or(Ok(()), |error| Err(error.into()))
    }
}

fn line(letter: &DeadLetter, shows_value: bool) -> String {
    let topic = letter.topic().unwrap_or_else(|| "?".to_owned());
    let number = |number: Option<String>| number.unwrap_or_else(|| "?".to_owned());
    let partition = number(letter.origin_partition().map(|partition| partition.to_string()));
    let offset = number(letter.origin_offset().map(|offset| offset.to_string()));
    let (stage, message) = (letter.stage().unwrap_or_default(), letter.message().unwrap_or_default());
    let mut line = format!(
        "{}@{} from {topic}/{partition}@{offset} {stage}: {message}",
        letter.partition, letter.offset
    );
    if letter.is_replayed {
        line.push_str(" (replayed)");
    }
    let _ = write!(line, " key {}", shown(letter.key.as_deref()));
    if shows_value {
        let _ = write!(line, " value {}", shown(letter.value.as_deref()));
    }
    line
}

/// Bytes as text, nothing of which moves the terminal.
fn shown(bytes: Option<&[u8]>) -> String {
    let Some(bytes) = bytes else { return "null".to_owned() };
    let most = bytes.get(..SHOWN_BYTES).unwrap_or(bytes);
    let more = if bytes.len() > most.len() { "…" } else { "" };
    format!("\"{}{more}\"", String::from_utf8_lossy(most).escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_as_they_are_shown() {
        assert_eq!(place("3@17"), Ok((Partition::new(3), Offset(17))));
        for wrong in ["3", "3@", "@1", "-1@2", "a@b"] {
            assert!(place(wrong).unwrap_err().contains("such as 0@17"), "{wrong}");
        }
    }

    #[test]
    fn what_a_letter_holds_does_not_move_the_terminal() {
        assert_eq!(shown(Some(b"a\x1b[2J\n")), "\"a\\u{1b}[2J\\n\"");
        assert_eq!(shown(None), "null");
        assert!(shown(Some(&[b'x'; 300])).ends_with("…\""));
    }
}
