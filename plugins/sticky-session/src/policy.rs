//! Stay or choose anew: the decision for one request. Pure: the cookie's value comes from outside, and the header that
//! sets one is written elsewhere.

use leverframe_sdk::smooth::{SmoothWeighted, Sum};
use leverframe_sdk::{Endpoint, EndpointId, snapshot};

use crate::token::{Seal, Tokens};

/// The format of the state: the running sums of the first choices, by endpoint name.
const FORMAT: u32 = 1;

/// The decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// The client stays where its cookie says.
    Kept(EndpointId),
    /// The client is new, or where it was is gone or was tried already; a cookie of this value is to be set.
    Given(EndpointId, String),
}

/// Who sits where.
#[derive(Debug)]
pub(crate) struct Sessions {
    tokens: Tokens,
    smooth: SmoothWeighted,
}

impl Sessions {
    pub(crate) fn new(seal: Seal) -> Self {
        Self { tokens: Tokens::new(seal), smooth: SmoothWeighted::default() }
    }

    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        self.tokens.replace(candidates);
        self.smooth.replace(candidates);
    }

    pub(crate) fn seat(&mut self, cookie: Option<&str>, excluded: &[EndpointId]) -> Option<Seat> {
        let kept = cookie.and_then(|value| self.tokens.find(value)).filter(|id| !excluded.contains(id));
        if let Some(id) = kept {
            return Some(Seat::Kept(id));
        }
        let id = self.smooth.pick(excluded)?;
        Some(Seat::Given(id, self.tokens.value(id)?))
    }

    pub(crate) fn export(&self) -> Vec<u8> {
        snapshot::encode(FORMAT, &self.smooth.sums())
    }

    pub(crate) fn import(&mut self, bytes: &[u8]) -> Result<(), String> {
        let sums: Vec<Sum> = snapshot::decode(FORMAT, bytes)?;
        self.smooth.resume(sums);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use leverframe_sdk::testing::candidates;

    fn sessions(weights: &[(&str, u32)]) -> Sessions {
        let mut sessions = Sessions::new(Seal::Opaque);
        sessions.replace(&candidates(weights));
        sessions
    }

    fn given(sessions: &mut Sessions, cookie: Option<&str>, excluded: &[EndpointId]) -> (EndpointId, String) {
        match sessions.seat(cookie, excluded) {
            Some(Seat::Given(id, value)) => (id, value),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn new_clients_are_spread_by_smooth_weights() {
        let mut sessions = sessions(&[("a", 5), ("b", 1), ("c", 1)]);
        let ids: Vec<_> = (0..7).map(|_| given(&mut sessions, None, &[]).0).collect();
        assert_eq!(ids, [1, 1, 2, 1, 3, 1, 1]);
    }

    #[test]
    fn a_client_stays_and_does_not_use_up_a_turn() {
        let mut sessions = sessions(&[("a", 1), ("b", 1)]);
        let (id, value) = given(&mut sessions, None, &[]);
        assert_eq!(id, 1);
        assert!((0..5).all(|_| sessions.seat(Some(&value), &[]) == Some(Seat::Kept(1))));
        assert_eq!(given(&mut sessions, None, &[]).0, 2);
    }

    #[test]
    fn it_moves_when_its_endpoint_was_tried_or_is_gone() {
        let mut sessions = sessions(&[("a", 1), ("b", 1)]);
        let (_, value) = given(&mut sessions, None, &[]);
        let (moved, new) = given(&mut sessions, Some(&value), &[1]);
        assert_eq!(moved, 2);
        assert_eq!(sessions.seat(Some(&new), &[]), Some(Seat::Kept(2)));
        sessions.replace(&candidates(&[("a", 1)]));
        assert_eq!(given(&mut sessions, Some(&new), &[]).0, 1);
        assert_eq!(sessions.seat(None, &[1]), None);
    }

    #[test]
    fn the_next_version_goes_on_in_the_middle_of_a_round() {
        let mut old = sessions(&[("a", 5), ("b", 1), ("c", 1)]);
        assert_eq!((0..3).map(|_| given(&mut old, None, &[]).0).collect::<Vec<_>>(), [1, 1, 2]);
        let mut new = Sessions::new(Seal::Opaque);
        new.import(&old.export()).expect("its own format");
        new.replace(&candidates(&[("a", 5), ("b", 1), ("c", 1)]));
        assert_eq!((0..4).map(|_| given(&mut new, None, &[]).0).collect::<Vec<_>>(), [1, 3, 1, 1]);
        assert!(new.import(b"garbage").is_err());
    }
}
