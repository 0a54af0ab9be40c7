use millstream_http_api::{DeadLetter, DeadLetters};
use millstream_model::{Offset, Partition, TopicName};
use millstream_ports::{PortError, World};
use millstream_runtime::{LetterFilter, Replayed};

/// The dead letters of a group, read from their topic each time they are asked for.
pub(crate) struct LetterTopic<W: World> {
    letters: millstream_runtime::DeadLetters<W>,
}

impl<W: World> LetterTopic<W> {
    pub(crate) fn new(world: W, topic: TopicName) -> Self {
        Self { letters: millstream_runtime::DeadLetters::new(world, topic) }
    }

    fn newest(&self, limit: usize) -> Result<Vec<DeadLetter>, PortError> {
        let mut found = Vec::new();
        self.letters
            .list(&LetterFilter::default(), |letter| found.push((letter.timestamp, shown(letter))))?;
        found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        found.truncate(limit);
        Ok(found.into_iter().map(|(_, letter)| letter).collect())
    }
}

fn shown(letter: &millstream_runtime::DeadLetter) -> DeadLetter {
    DeadLetter {
        partition: letter.partition,
        offset: letter.offset,
        key: letter.key.clone(),
        value: letter.value.clone(),
        headers: letter.headers.clone(),
    }
}

impl<W: World> DeadLetters for LetterTopic<W> {
    fn list(&self, limit: usize) -> Result<Vec<DeadLetter>, String> {
        self.newest(limit).map_err(|error| error.to_string())
    }

    fn can_replay(&self) -> bool {
        true
    }

    fn replay(&self, partition: Partition, offset: Offset) -> Result<(), String> {
        let filter = LetterFilter { places: vec![(partition, offset)], ..LetterFilter::default() };
        let mut outcome = Err(format!("there is no letter {partition}@{offset}, or it was replayed before"));
        let replayed = self.letters.replay(&filter, |_, became| {
            outcome = match became {
                Replayed::Sent => Ok(()),
                Replayed::Impossible(reason) => Err(reason.clone()),
            };
        });
        replayed.map_err(|error| error.to_string()).and(outcome)
    }
}
