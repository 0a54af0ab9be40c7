//! Group graphs as data: their validation, partitioners, the life of a partition and the offset ledger.
