//! What a closed circuit has seen: failures in a row, and sums over a time that slides along. Time is passed in;
//! nothing is judged here.

use std::time::{Duration, Instant};

/// Parts of the window. It slides by one of them at a time: what it says is at most a tenth of the time out of date.
const SLICES: usize = 10;

/// What was seen since the circuit closed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    in_a_row: u32,
    window: Option<Window>,
}

impl Tally {
    /// Nothing seen; keeps a window of that length, when there is one.
    pub(super) fn new(window: Option<Duration>) -> Self {
        Self { in_a_row: 0, window: window.map(Window::new) }
    }

    /// The same with a window of another length, which begins empty; a window of the same length stays as it is.
    pub(super) fn fit(&mut self, length: Option<Duration>) {
        if self.window.as_ref().map(|window| window.length) != length {
            self.window = length.map(Window::new);
        }
    }

    /// Takes in how many requests succeeded since it was last told of anything.
    pub(super) fn succeeded(&mut self, count: u64, now: Instant) {
        if count > 0 {
            self.in_a_row = 0;
        }
        if let Some(window) = &mut self.window {
            window.succeeded(count, now);
        }
    }

    /// Takes in a request that failed.
    pub(super) fn failed(&mut self, now: Instant) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        if let Some(window) = &mut self.window {
            window.failed(now);
        }
    }

    /// Failures in a row up to now.
    pub(super) fn in_a_row(&self) -> u32 {
        self.in_a_row
    }

    /// The sums over the window, as of what it was last told; nothing without a window.
    pub(super) fn sums(&self) -> Sums {
        self.window.as_ref().map(Window::sums).unwrap_or_default()
    }
}

/// Requests by how they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Sums {
    /// Those that succeeded.
    pub(super) passed: u64,
    /// Those that failed.
    pub(super) failed: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Window {
    length: Duration,
    /// When the newest slice began; none before anything was seen.
    began: Option<Instant>,
    /// The newest first.
    slices: [Sums; SLICES],
}

impl Window {
    fn new(length: Duration) -> Self {
        Self { length, began: None, slices: [Sums::default(); SLICES] }
    }

    /// Spreads them evenly over the slices that began since it was last told of anything, as it is not known when
    /// exactly they came. What falls to slices that are gone already is forgotten.
    fn succeeded(&mut self, count: u64, now: Instant) {
        if count == 0 && self.began.is_none() {
            return;
        }
        let touched = self.turn(now).saturating_add(1);
        let kept = touched.min(SLICES as u64);
        let count = (u128::from(count) * u128::from(kept)).div_ceil(u128::from(touched)) as u64;
        for slice in self.slices.iter_mut().take(kept as usize) {
            slice.passed += count / kept;
        }
        let [newest, ..] = &mut self.slices;
        newest.passed += count % kept;
    }

    fn failed(&mut self, now: Instant) {
        self.turn(now);
        let [newest, ..] = &mut self.slices;
        newest.failed += 1;
    }

    fn sums(&self) -> Sums {
        self.slices.iter().fold(Sums::default(), |sums, slice| Sums {
            passed: sums.passed + slice.passed,
            failed: sums.failed + slice.failed,
        })
    }

    /// Begins the slices that are due; tells how many.
    fn turn(&mut self, now: Instant) -> u64 {
        let began = *self.began.get_or_insert(now);
        let slice = (self.length.as_nanos() / SLICES as u128).max(1);
        let since = now.saturating_duration_since(began).as_nanos();
        let due = u64::try_from(since / slice).unwrap_or(u64::MAX);
        if due > 0 {
            let fresh = due.min(SLICES as u64) as usize;
            self.slices.rotate_right(fresh);
            self.slices.iter_mut().take(fresh).for_each(|slice| *slice = Sums::default());
            // Back from `now` to where its slice began, so that slices never drift.
            let into = Duration::from_nanos(u64::try_from(since % slice).unwrap_or(u64::MAX));
            self.began = now.checked_sub(into);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_window_forgets_slice_by_slice() {
        let start = Instant::now();
        let mut tally = Tally::new(Some(SECOND * 10));
        tally.failed(start);
        tally.succeeded(3, start + SECOND * 5);
        tally.failed(start + SECOND * 9);
        assert_eq!(tally.sums(), Sums { passed: 3, failed: 2 });
        tally.failed(start + SECOND * 10);
        assert_eq!(tally.sums(), Sums { passed: 3, failed: 2 });
        tally.failed(start + SECOND * 100);
        assert_eq!(tally.sums(), Sums { passed: 0, failed: 1 });
    }

    #[test]
    fn successes_told_late_count_only_for_the_part_of_the_time_that_the_window_holds() {
        let start = Instant::now();
        let mut tally = Tally::new(Some(SECOND * 10));
        tally.failed(start);
        tally.succeeded(1_000, start + SECOND * 99);
        assert_eq!(tally.sums(), Sums { passed: 100, failed: 0 });
        tally.failed(start + SECOND * 104);
        assert_eq!(tally.sums(), Sums { passed: 50, failed: 1 });
    }

    #[test]
    fn one_that_is_told_when_it_happens_is_never_lost() {
        let start = Instant::now();
        let mut tally = Tally::new(Some(SECOND * 10));
        tally.succeeded(1, start);
        tally.succeeded(1, start + SECOND * 3_600);
        assert_eq!(tally.sums(), Sums { passed: 1, failed: 0 });
    }

    #[test]
    fn a_window_of_another_length_begins_empty_and_failures_in_a_row_stay() {
        let start = Instant::now();
        let mut tally = Tally::new(Some(SECOND));
        tally.failed(start);
        tally.fit(Some(SECOND));
        assert_eq!(tally.sums().failed, 1);
        tally.fit(Some(SECOND * 2));
        assert_eq!((tally.sums().failed, tally.in_a_row()), (0, 1));
    }
}
