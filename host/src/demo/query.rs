//! The few values that a demo node reads from a query: plain words and numbers, which nobody escapes.

use std::time::Duration;

/// The longest time that a client may ask for: it must not be able to hold a node for ever.
const LONGEST: Duration = Duration::from_secs(600);

/// The first value of a key.
pub(super) fn value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == key).map(|(_, value)| value)
}

/// A number of milliseconds, ten minutes at the most.
pub(super) fn millis(query: &str, key: &str) -> Option<Duration> {
    value(query, key)?.parse().ok().map(|ms| Duration::from_millis(ms).min(LONGEST))
}
