use std::hash::{BuildHasher, RandomState};
use std::time::{SystemTime, UNIX_EPOCH};

use millstream_sql::Outside;

/// The machine's clock, and chance as the standard library seeds its hash maps with.
pub(crate) fn outside() -> Outside {
    let now_ms = || {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    };
    Outside::new(now_ms, || RandomState::new().hash_one(0))
}

#[cfg(test)]
mod tests {
    use millstream_sql::Functions;

    use super::*;

    #[test]
    fn the_functions_that_ask_for_it_are_there() {
        let functions = Functions::with(&outside());
        assert!(functions.get("UNIX_TIMESTAMP").is_some() && functions.get("UUID").is_some());
    }
}
