//! The schedule, and how it is told to the next version. The scheduler itself is the SDK's, which sticky sessions share.

use leverframe_sdk::smooth::{SmoothWeighted, Sum};
use leverframe_sdk::{Endpoint, EndpointId, snapshot};

/// The format of the state: the running sums by endpoint name.
const FORMAT: u32 = 1;

/// Who comes when.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    smooth: SmoothWeighted,
}

impl Schedule {
    pub(crate) fn replace(&mut self, candidates: &[Endpoint]) {
        self.smooth.replace(candidates);
    }

    pub(crate) fn next(&mut self, excluded: &[EndpointId]) -> Option<EndpointId> {
        self.smooth.pick(excluded)
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

    fn next(schedule: &mut Schedule, count: usize) -> Vec<EndpointId> {
        (0..count).filter_map(|_| schedule.next(&[])).collect()
    }

    #[test]
    fn the_next_version_goes_on_in_the_middle_of_a_round() {
        let abc = candidates(&[("a", 5), ("b", 1), ("c", 1)]);
        let mut old = Schedule::default();
        old.replace(&abc);
        assert_eq!(next(&mut old, 3), [1, 1, 2]);
        let mut new = Schedule::default();
        new.import(&old.export()).expect("its own format");
        new.replace(&abc);
        assert_eq!(next(&mut new, 4), [1, 3, 1, 1]);
    }

    #[test]
    fn garbage_is_refused_and_changes_nothing() {
        let mut schedule = Schedule::default();
        schedule.replace(&candidates(&[("a", 2), ("b", 1)]));
        for garbage in [&b"["[..], b"\xff", br#"{"format":9,"state":[]}"#, br#"{"format":1,"state":[{"name":"a"}]}"#] {
            assert!(schedule.import(garbage).is_err());
        }
        assert_eq!(next(&mut schedule, 3), [1, 2, 1]);
    }
}
