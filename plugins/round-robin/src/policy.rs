//! The turn, and how it is told to the next version. The turn itself is the SDK's rotation.

use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{Endpoint, EndpointId, snapshot};
use serde::{Deserialize, Serialize};

/// The format of the state. An id keeps its meaning for as long as the process lives, which is as long as a state does.
const FORMAT: u32 = 1;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Position {
    /// The id that was chosen last.
    last: Option<EndpointId>,
}

/// Whose turn it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns {
    rotation: Rotation,
}

impl Turns {
    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        self.rotation.replace(candidates);
    }

    pub(crate) fn next(&mut self, excluded: &[EndpointId]) -> Option<EndpointId> {
        self.rotation.turn(excluded)
    }

    pub(crate) fn export(&self) -> Vec<u8> {
        snapshot::encode(FORMAT, &Position { last: self.rotation.last() })
    }

    pub(crate) fn import(&mut self, bytes: &[u8]) -> Result<(), String> {
        let position: Position = snapshot::decode(FORMAT, bytes)?;
        self.rotation.resume_after(position.last);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::candidates;

    #[test]
    fn the_next_version_goes_on_with_the_next_turn() {
        let abc = candidates(&[("a", 1), ("b", 1), ("c", 1)]);
        let mut old = Turns::default();
        old.replace(&abc);
        assert_eq!([old.next(&[]), old.next(&[])], [Some(1), Some(2)]);
        let mut new = Turns::default();
        new.import(&old.export()).expect("its own format");
        new.replace(&abc);
        assert_eq!(new.next(&[]), Some(3));
    }

    #[test]
    fn garbage_is_refused_and_changes_nothing() {
        let mut turns = Turns::default();
        turns.replace(&candidates(&[("a", 1), ("b", 1)]));
        assert_eq!(turns.next(&[]), Some(1));
        for garbage in
            [&b"{"[..], b"\xff", br#"{"format":2,"state":{"last":1}}"#, br#"{"format":1,"state":{"last":-1}}"#]
        {
            assert!(turns.import(garbage).is_err());
        }
        assert_eq!(turns.next(&[]), Some(2));
    }
}
