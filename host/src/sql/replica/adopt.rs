//! Owns whether a node may follow the log from where it stands. Pure. Where that cannot be proven, it may not.

use super::log::{Identity, Position};
use super::mark::Mark;

/// What there is to know of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known<'a> {
    /// Which log.
    pub log: &'a Identity,
    /// The epoch of this writer.
    pub epoch: u64,
    /// Entries up to here are gone.
    pub trimmed: Position,
    /// The last entry.
    pub last: Position,
    /// The epoch of the writer of the entry at which the node stands; none where that is not there.
    pub written: Option<u64>,
    /// The node was there when the log began, and was never seen to follow it.
    pub is_new: bool,
}

/// What to do with a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// It has no watermark, and follows the log from its beginning.
    Adopt,
    /// It goes on.
    Resume,
    /// It has to be filled anew: why.
    Rebuild(String),
    /// It follows a later writer, of this epoch.
    Fenced(u64),
    /// It has what the log does not know.
    Beyond,
}

/// What to do with a node that has this watermark.
pub(super) fn start(found: Option<&Mark>, known: &Known<'_>) -> Start {
    let trimmed = known.trimmed;
    let Some(mark) = found else {
        return match known.is_new && trimmed == Position(0) {
            true => Start::Adopt,
            false => Start::Rebuild("it has no watermark, so that nobody knows what it has applied".to_owned()),
        };
    };
    if mark.log != known.log.0 {
        return Start::Rebuild(format!("it follows another log, {}", mark.log));
    }
    if mark.epoch > known.epoch {
        return Start::Fenced(mark.epoch);
    }
    if mark.position > known.last {
        return Start::Beyond;
    }
    if mark.position < trimmed {
        let at = mark.position;
        return Start::Rebuild(format!("it is at {at}, and the log begins after {trimmed}"));
    }
    if is_of_another(mark, known.written) {
        let at = mark.position;
        return Start::Rebuild(format!(
            "what it has up to {at} is not what the log has: it followed another copy of it"
        ));
    }
    Start::Resume
}

/// Whether a node has what another copy of the log had at its place. No writer's epoch is used by the writer of another copy,
/// and a node knows the writer of what it has applied, or a later one. What was removed from the log tells nothing, nor need
/// it: the log was kept from where the node was known to be, and that was before the copies differed.
pub(super) fn is_of_another(mark: &Mark, written: Option<u64>) -> bool {
    written.is_some_and(|epoch| mark.epoch < epoch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(log: &str, epoch: u64, position: u64) -> Mark {
        Mark { log: log.into(), epoch, position: Position(position), last: Vec::new(), pending: None }
    }

    #[test]
    fn a_node_follows_only_where_it_is_known_what_it_has() {
        let log = Identity("a".into());
        let known =
            Known { log: &log, epoch: 3, trimmed: Position(5), last: Position(9), written: Some(2), is_new: false };
        assert_eq!(start(Some(&mark("a", 2, 5)), &known), Start::Resume);
        assert_eq!(start(Some(&mark("a", 3, 9)), &known), Start::Resume);
        assert_eq!(start(Some(&mark("a", 4, 9)), &known), Start::Fenced(4));
        // What it has was in the log once: it is the log that is not right.
        assert_eq!(start(Some(&mark("a", 2, 10)), &known), Start::Beyond);
        // An entry that a later writer has put there than the node has ever seen is not the one that it has.
        for odd in [mark("b", 2, 5), mark("a", 2, 4), mark("a", 1, 6)] {
            assert!(matches!(start(Some(&odd), &known), Start::Rebuild(_)), "{odd:?}");
        }
        assert!(matches!(start(None, &known), Start::Rebuild(_)));
        assert_eq!(start(Some(&mark("a", 1, 5)), &Known { written: None, ..known.clone() }), Start::Resume);
        let new = Known { trimmed: Position(0), is_new: true, ..known.clone() };
        assert_eq!(start(None, &new), Start::Adopt);
        assert!(matches!(start(None, &Known { is_new: true, ..known }), Start::Rebuild(_)));
    }
}
