//! A topic's settings: their names, what they may be, and what they are where nobody says.

use std::collections::BTreeMap;

/// What settings come to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TopicSettings {
    pub(crate) compacts: bool,
    pub(crate) deletes: bool,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: i64,
    pub(crate) segment_bytes: u64,
    pub(crate) segment_ms: i64,
    pub(crate) max_message_bytes: usize,
    pub(crate) append_time: bool,
    pub(crate) delete_retention_ms: i64,
    pub(crate) min_cleanable_dirty_ratio: f64,
    pub(crate) min_compaction_lag_ms: i64,
    /// How far from now the time of a record may be.
    pub(crate) after_max_ms: i64,
    pub(crate) before_max_ms: i64,
    /// The compression that batches are stored with, where it is not the producer's.
    pub(crate) codec: Option<i16>,
}

/// What a value may be; the numbers are those of the protocol's `ConfigType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Boolean,
    Int { min: i64, max: i64 },
    Long { min: i64 },
    Ratio,
    OneOf(&'static [&'static str]),
    List(&'static [&'static str]),
    Free,
}

impl Kind {
    pub(crate) fn code(self) -> i8 {
        match self {
            Self::Boolean => 1,
            Self::OneOf(_) | Self::Free => 2,
            Self::Int { .. } => 3,
            Self::Long { .. } => 5,
            Self::Ratio => 6,
            Self::List(_) => 7,
        }
    }

    fn allows(self, value: &str) -> bool {
        match self {
            Self::Boolean => value == "true" || value == "false",
            Self::Int { min, max } => value.parse().is_ok_and(|number: i64| (min..=max).contains(&number)),
            Self::Long { min } => value.parse().is_ok_and(|number: i64| number >= min),
            Self::Ratio => value.parse().is_ok_and(|number: f64| (0.0..=1.0).contains(&number)),
            Self::OneOf(words) => words.contains(&value),
            Self::List(words) => value.split(',').map(str::trim).all(|word| words.contains(&word)),
            Self::Free => true,
        }
    }
}

/// Compressions in the order of their numbers.
const CODECS: &[&str] = &["uncompressed", "gzip", "snappy", "lz4", "zstd"];

const NO_LIMIT: i64 = i64::MAX;
const INT: i64 = i32::MAX as i64;

/// Name, default, and what it may be. Those that a broker of one node has no use for are kept and told, as tools expect.
pub(crate) const SETTINGS: &[(&str, &str, Kind)] = &[
    ("cleanup.policy", "delete", Kind::List(&["delete", "compact"])),
    (
        "compression.type",
        "producer",
        Kind::OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
    ),
    ("compression.gzip.level", "-1", Kind::Int { min: -1, max: 9 }),
    ("compression.lz4.level", "9", Kind::Int { min: 1, max: 17 }),
    ("compression.zstd.level", "3", Kind::Int { min: -131_072, max: 22 }),
    ("delete.retention.ms", "86400000", Kind::Long { min: 0 }),
    ("file.delete.delay.ms", "60000", Kind::Long { min: 0 }),
    ("flush.messages", "9223372036854775807", Kind::Long { min: 1 }),
    ("flush.ms", "9223372036854775807", Kind::Long { min: 0 }),
    ("follower.replication.throttled.replicas", "", Kind::Free),
    ("index.interval.bytes", "4096", Kind::Int { min: 0, max: INT }),
    ("leader.replication.throttled.replicas", "", Kind::Free),
    ("local.retention.bytes", "-2", Kind::Long { min: -2 }),
    ("local.retention.ms", "-2", Kind::Long { min: -2 }),
    ("max.compaction.lag.ms", "9223372036854775807", Kind::Long { min: 1 }),
    ("max.message.bytes", "1048588", Kind::Int { min: 0, max: INT }),
    ("message.timestamp.after.max.ms", "3600000", Kind::Long { min: 0 }),
    ("message.timestamp.before.max.ms", "9223372036854775807", Kind::Long { min: 0 }),
    ("message.timestamp.type", "CreateTime", Kind::OneOf(&["CreateTime", "LogAppendTime"])),
    ("min.cleanable.dirty.ratio", "0.5", Kind::Ratio),
    ("min.compaction.lag.ms", "0", Kind::Long { min: 0 }),
    ("min.insync.replicas", "1", Kind::Int { min: 1, max: INT }),
    ("preallocate", "false", Kind::Boolean),
    ("remote.log.copy.disable", "false", Kind::Boolean),
    ("remote.log.delete.on.disable", "false", Kind::Boolean),
    ("remote.storage.enable", "false", Kind::OneOf(&["false"])),
    ("retention.bytes", "-1", Kind::Long { min: -1 }),
    // On one machine nothing goes by age unless somebody says so: test data is often of times long past.
    ("retention.ms", "-1", Kind::Long { min: -1 }),
    ("segment.bytes", "67108864", Kind::Int { min: 1_024, max: INT }),
    ("segment.index.bytes", "10485760", Kind::Int { min: 4, max: INT }),
    ("segment.jitter.ms", "0", Kind::Long { min: 0 }),
    ("segment.ms", "604800000", Kind::Long { min: 1 }),
    ("unclean.leader.election.enable", "false", Kind::Boolean),
];

/// The default and the kind of a setting.
pub(crate) fn find(name: &str) -> Option<(&'static str, Kind)> {
    SETTINGS.iter().find(|(known, ..)| *known == name).map(|(_, default, kind)| (*default, *kind))
}

/// Says what is wrong with a setting, if anything.
pub(crate) fn check(name: &str, value: &str) -> Result<(), String> {
    let Some((_, kind)) = find(name) else { return Err(format!("there is no topic setting '{name}'")) };
    if kind.allows(value) {
        Ok(())
    } else {
        Err(format!("'{value}' is not a value for the topic setting '{name}'"))
    }
}

impl TopicSettings {
    /// What explicit settings, each of which was checked, come to together with the defaults.
    pub(crate) fn of(explicit: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| {
            let default = || find(name).map_or("", |(default, _)| default);
            explicit.get(name).map_or_else(default, String::as_str)
        };
        let number = |name: &str| text(name).parse::<i64>().unwrap_or(NO_LIMIT);
        let policy = |word: &str| text("cleanup.policy").split(',').any(|each| each.trim() == word);
        Self {
            compacts: policy("compact"),
            deletes: policy("delete"),
            retention_ms: number("retention.ms"),
            retention_bytes: number("retention.bytes"),
            segment_bytes: u64::try_from(number("segment.bytes")).unwrap_or(u64::MAX),
            segment_ms: number("segment.ms"),
            max_message_bytes: usize::try_from(number("max.message.bytes")).unwrap_or(usize::MAX),
            append_time: text("message.timestamp.type") == "LogAppendTime",
            delete_retention_ms: number("delete.retention.ms"),
            min_cleanable_dirty_ratio: text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5),
            min_compaction_lag_ms: number("min.compaction.lag.ms"),
            after_max_ms: number("message.timestamp.after.max.ms"),
            before_max_ms: number("message.timestamp.before.max.ms"),
            codec: (0..)
                .zip(CODECS)
                .find(|(_, name)| **name == text("compression.type"))
                .map(|(codec, _)| codec),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_default_is_allowed_and_nonsense_is_refused() {
        for (name, default, _) in SETTINGS {
            let empty = default.is_empty() || check(name, default).is_ok();
            assert!(empty, "{name}={default}");
        }
        for (name, value) in [
            ("cleanup.policy", "compress"),
            ("retention.ms", "-2"),
            ("retention.ms", "soon"),
            ("segment.bytes", "10"),
            ("min.cleanable.dirty.ratio", "1.5"),
            ("no.such.setting", "1"),
        ] {
            assert!(check(name, value).unwrap_err().contains(name), "{name}={value}");
        }
        assert_eq!(check("cleanup.policy", "compact,delete"), Ok(()));
    }
}
