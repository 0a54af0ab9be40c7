use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use millstream_model::{HeaderSource, Offset, Partition, RecordView, Timestamp, TopicName};

use crate::PortError;

/// Marks sends whose acknowledged offsets the sender wants back, such as one partition's changelog.
///
/// [`Tag::NONE`] marks those it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub usize);

impl Tag {
    /// No offset is wanted back.
    pub const NONE: Self = Self(usize::MAX);
}

/// A record on its way out.
#[derive(Clone, Copy)]
pub struct SendRecord<'a> {
    /// Where to.
    pub topic: &'a TopicName,
    /// To which partition; `None` lets the log spread records over all.
    pub partition: Option<Partition>,
    /// Its key.
    pub key: Option<&'a [u8]>,
    /// Its value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Its headers.
    pub headers: &'a dyn HeaderSource,
    /// Its time; `None` is the time of sending.
    pub timestamp: Option<Timestamp>,
    /// Whether and where its offset is noted once acknowledged.
    pub tag: Tag,
}

/// What became of the records an outlet has sent since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Acknowledged by all in-sync replicas.
    pub delivered: u64,
    /// Refused, or given up after the time allowed.
    pub failed: u64,
}

/// What the brokers of a topic refused for what it is: too large for the topic, of a time that it does not take, without the
/// key that it wants.
///
/// Brokers refuse whole batches, so there may have been good records among those that were refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The topic.
    pub topic: TopicName,
    /// What was said of it first, as a sentence for people.
    pub reason: String,
}

/// Writes records. Sends are queued, and in doubt until [`Outlet::settle`] says otherwise.
///
/// An adapter MUST keep the order of the sends to one partition, MUST wait for all in-sync replicas, and MUST write
/// nothing twice by retrying.
pub trait Outlet: Send + 'static {
    /// Queues a record, waiting while the queue is full.
    ///
    /// # Errors
    /// When the record can't be queued: too large, no such topic, or an earlier send failed for good.
    fn send(&mut self, record: &SendRecord<'_>) -> Result<(), PortError>;

    /// As [`Outlet::send`], but waits no longer than `patience` while the queue is full, where that can be helped. Answers
    /// whether the record is queued.
    ///
    /// # Errors
    /// As [`Outlet::send`].
    fn offer(&mut self, record: &SendRecord<'_>, _patience: Duration) -> Result<bool, PortError> {
        self.send(record).map(|()| true)
    }

    /// Waits until every queued record is acknowledged.
    ///
    /// # Errors
    /// When any record sent since the last success was refused or timed out. Nothing sent since is then certain, but after
    /// [`crate::Action::DeadLetter`]: then records were refused for what they are, and all others are acknowledged. In a
    /// transaction that is [`crate::Action::Retry`], and nothing of it can be committed. [`Outlet::rejections`] tells which
    /// it was.
    fn settle(&mut self) -> Result<(), PortError>;

    /// Draws a line under what was sent so far, for [`Outlet::has_settled`] to ask for. All above the line before is settled.
    fn draw_line(&mut self) {}

    /// Whether every record above the line is acknowledged, whatever was sent below it. It waits for nothing, unless the
    /// adapter can't tell without.
    ///
    /// # Errors
    /// As [`Outlet::settle`], of records below the line too.
    fn has_settled(&mut self) -> Result<bool, PortError> {
        self.settle().map(|()| true)
    }

    /// The topics whose brokers refused records for what they are, since this was last asked.
    fn rejections(&mut self) -> Vec<Rejection> {
        Vec::new()
    }

    /// How many records were delivered and failed so far. What is still queued is in neither.
    fn tally(&self) -> Tally;

    /// The highest acknowledged offset among the sends with this tag.
    fn acknowledged(&self, tag: Tag) -> Option<Offset>;
}

/// What a poll of a group member brought beside records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// Records, or none in the time given.
    Records(usize),
    /// The group gave these partitions to this member, of every input alike, beside those that it has. Nothing is read of them
    /// until [`GroupLog::start`].
    Assigned(Vec<Partition>),
    /// The group takes these partitions away, and no others. They stay this member's until [`GroupLog::release`].
    Revoked(Vec<Partition>),
    /// These partitions are somebody else's already; nothing done for them can be committed.
    Lost(Vec<Partition>),
}

/// How often a record takes effect when something fails on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// Every record takes effect, and after a failure some do so again.
    #[default]
    AtLeastOnce,
    /// Every record takes effect once, for readers that see committed records only.
    ExactlyOnce,
}

/// Says whether nobody wants to wait any longer. It is asked often.
pub type CalledOff = Arc<dyn Fn() -> bool + Send + Sync>;

/// A member of a consumer group: reads the inputs of the partitions it owns, writes, and commits.
///
/// **Invariant:** inputs are co-partitioned, and the member owns partition `p` of either all inputs or none.
///
/// Under [`Delivery::ExactlyOnce`] all that is sent from one commit to the next, and the positions committed, are one
/// transaction: readers see all of it or nothing. An adapter MUST refuse the commit of a member that the group has given
/// up, and MUST end the transaction that a partition's last owner left open before it hands that partition over.
pub trait GroupLog: Outlet {
    /// Waits up to `wait` for something to happen, then hands over up to `max` records that are there.
    ///
    /// Records of one partition come in order. [`ControlFlow::Break`] ends the call after the record it answered.
    ///
    /// # Errors
    /// When the group or the brokers refuse this member for good. Faults that pass are waited out inside.
    fn poll<F>(&mut self, wait: Duration, max: usize, each: F) -> Result<Polled, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>;

    /// Takes over what is assigned beside what it has, paused. Called once for each [`Polled::Assigned`].
    ///
    /// # Errors
    /// When the group refuses it.
    fn accept(&mut self, partitions: &[Partition]) -> Result<(), PortError>;

    /// From now on a partition that is started is read in inputs `first` up to the ends that they have then, before any record
    /// of inputs `later` is handed over; other inputs are read as ever. An adapter that passes a promise like this over hands
    /// over records as they come.
    fn read_first(&mut self, first: &[usize], later: &[usize]) {
        let _ = (first, later);
    }

    /// Begins reading `partition` of every input, from where the group has committed.
    ///
    /// # Errors
    /// When the partition is not assigned.
    fn start(&mut self, partition: Partition) -> Result<(), PortError>;

    /// Gives up partitions after [`Polled::Revoked`] or [`Polled::Lost`], so that the group can go on.
    ///
    /// # Errors
    /// When the group refuses it.
    fn release(&mut self, partitions: &[Partition]) -> Result<(), PortError>;

    /// Commits, for each `(topic, partition, next offset)`, what need not be read again. Waits for the answer. Under
    /// exactly-once it commits what was sent with it, once all of that is acknowledged.
    ///
    /// # Errors
    /// When the group has moved on, or can't be reached. Under exactly-once, after [`crate::Action::Retry`] nothing was
    /// committed, and [`GroupLog::abort`] has to follow.
    fn commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError>;

    /// Begins what [`GroupLog::commit`] does. Records may be polled before [`GroupLog::has_committed`] tells what came of it;
    /// under exactly-once none may be sent. Only [`GroupLog::commit`] may come between: of the same positions, it waits for
    /// the one that was begun.
    ///
    /// # Errors
    /// As [`GroupLog::commit`].
    fn begin_commit(&mut self, positions: &[(usize, Partition, Offset)]) -> Result<(), PortError> {
        self.commit(positions)
    }

    /// Whether the commit that was begun is done. It waits for nothing, unless the adapter can't tell without.
    ///
    /// # Errors
    /// As [`GroupLog::commit`]; it is over then.
    fn has_committed(&mut self) -> Result<bool, PortError> {
        Ok(true)
    }

    /// Waits for the brokers, of [`GroupLog::commit`] and [`GroupLog::abort`] above all, are broken off with
    /// [`crate::Action::Retry`] once `is_called_off` says so. A transaction that is open then stays so until its time is over,
    /// or its partition's next owner ends it. An adapter whose waits are short may take no notice.
    fn heed(&mut self, is_called_off: CalledOff) {
        drop(is_called_off);
    }

    /// Takes back all that was sent since the last commit, and reads the partitions that were started again from what
    /// the group has committed. A member that was fenced off learns by [`Polled::Lost`] that its partitions are gone. At
    /// least once what was sent stays, and only the reading begins again.
    ///
    /// # Errors
    /// When the brokers refuse this member for good.
    fn abort(&mut self) -> Result<(), PortError>;

    /// Hands over no records until [`GroupLog::resume`], partitions that are started meanwhile included. Rebalances are told
    /// as ever, and no record is passed over.
    ///
    /// # Errors
    /// When the client refuses it.
    fn pause(&mut self) -> Result<(), PortError>;

    /// Hands over records again, of the partitions that were started. Without a pause it does nothing.
    ///
    /// # Errors
    /// When the client refuses it.
    fn resume(&mut self) -> Result<(), PortError>;

    /// Where the group will read `partition` of input `topic` from when it changes hands: what is before is done. `None`
    /// where the group has committed nothing, or the adapter can't say. Waits for the answer.
    ///
    /// # Errors
    /// When the group can't be reached in time.
    fn committed(&self, _topic: usize, _partition: Partition) -> Result<Option<Offset>, PortError> {
        Ok(None)
    }

    /// How many records lie between this member and the end of `partition` of input `topic`, as last seen.
    fn lag(&self, topic: usize, partition: Partition) -> Option<u64>;

    /// Leaves the group, so that the others need not wait for a time-out.
    fn leave(&mut self);
}

/// Where a tail begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At the oldest record kept.
    Earliest,
    /// After the newest record.
    Latest,
    /// At this offset, or at the oldest record kept when that is later.
    At(Offset),
}

/// Reads partitions by position, in no group: table recovery, joins, lookups and views. Only what is committed is read.
pub trait Tail: Send + 'static {
    /// Begins reading a partition of topic `topic` (an index into the names the tail was made with) and gives its bounds:
    /// the first offset that will be read, and the end as of now, records in doubt included.
    ///
    /// # Errors
    /// When the partition does not exist or the brokers can't be reached. [`crate::Action::Retry`] while transactions that
    /// were open at the first call are not decided: an owner's last records are never passed over.
    fn add(
        &mut self,
        topic: usize,
        partition: Partition,
        start: Start,
    ) -> Result<(Offset, Offset), PortError>;

    /// Stops reading a partition. Unknown ones are no error.
    ///
    /// # Errors
    /// When the client refuses it.
    fn remove(&mut self, topic: usize, partition: Partition) -> Result<(), PortError>;

    /// Where a partition of topic `topic` ends as of now, records in doubt and markers included; `None` where that is not to be
    /// known.
    ///
    /// # Errors
    /// When the partition does not exist or the brokers can't be reached.
    fn end(&mut self, topic: usize, partition: Partition) -> Result<Option<Offset>, PortError> {
        let _ = (topic, partition);
        Ok(None)
    }

    /// Waits up to `wait` for a record, then hands over up to `max` that are there; answers how many.
    ///
    /// # Errors
    /// When the brokers refuse the reader for good.
    fn poll<F>(&mut self, wait: Duration, max: usize, each: F) -> Result<usize, PortError>
    where
        F: FnMut(RecordView<'_>) -> ControlFlow<()>;

    /// The offset of the next record that [`Tail::poll`] can hand over; control records and compacted gaps move it on
    /// even where no record came.
    ///
    /// # Errors
    /// When the partition is not being read.
    fn position(&self, topic: usize, partition: Partition) -> Result<Offset, PortError>;
}
