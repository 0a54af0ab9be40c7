//! The nouns every crate shares: topics, partitions, offsets, records, and the values and types of SQL rows.
