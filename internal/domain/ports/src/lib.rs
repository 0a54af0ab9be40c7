//! What the framework asks of the outside world: the log, the table store, the codec and the clock.
