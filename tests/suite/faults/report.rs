//! What a fault came to, as a line to read and as complaints when it is more than it may be.

use std::time::{Duration, Instant};

use crate::programs::tell;
use crate::world::{Sample, Seen};

/// How long an endpoint that is gone may stay in the traffic: three checks (300 ms each, and what they wait for), or five
/// failures.
const EJECTED_WITHIN: Duration = Duration::from_secs(2);
/// How long an endpoint that is back may stay out: an open circuit's longest time, two good checks, three trials.
const RETURNED_WITHIN: Duration = Duration::from_secs(6);
/// How long it may take until requests are answered again when an origin is back: an open circuit's longest time, a check.
pub(super) const SERVES_WITHIN: Duration = Duration::from_millis(2_800);
/// What retries may add to what the origins have to do: the budget.
const EXTRA_LOAD: f64 = 0.2;

/// What clients may see.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Expected {
    /// Nothing.
    Nothing,
    /// Answers that end in the middle, and nothing else.
    PartialOnly,
    /// Anything until then: no origin was there, or it was not known to be.
    AnythingUntil(Instant),
}

/// A fault that is over.
pub(super) struct Report {
    pub(super) fault: String,
    pub(super) expected: Expected,
    pub(super) samples: Vec<Sample>,
    /// Requests that the origins got.
    pub(super) sent: u64,
    pub(super) ejected: Option<Duration>,
    pub(super) returned: Duration,
}

impl Report {
    pub(super) fn head() {
        tell("fault                 requests  failed  partial  eject ms  return ms  extra load");
    }

    pub(super) fn print(&self) {
        let ejected = self.ejected.map_or("-".to_owned(), |time| time.as_millis().to_string());
        tell(&format!(
            "{:<20} {:>9} {:>7} {:>8} {:>9} {:>10} {:>10.1}%",
            self.fault,
            self.samples.len(),
            self.failed().count(),
            self.partial(),
            ejected,
            self.returned.as_millis(),
            100.0 * self.extra_load(),
        ));
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut bad = |what: String| complaints.push(format!("{}: {what}", self.fault));
        let unexpected: Vec<_> = match self.expected {
            Expected::AnythingUntil(end) => self.failed().filter(|sample| sample.sent > end).collect(),
            Expected::Nothing | Expected::PartialOnly => self.failed().collect(),
        };
        if let Some(first) = unexpected.first() {
            bad(format!("{} requests failed, the first: {first:?}", unexpected.len()));
        }
        if self.expected == Expected::Nothing && self.partial() > 0 {
            bad(format!("{} answers ended in the middle", self.partial()));
        }
        match self.ejected {
            Some(time) if time <= EJECTED_WITHIN => {}
            // One that is back before a check can see it need not be ejected.
            None if self.fault == "flapping" => {}
            other => bad(format!("ejected after {other:?}")),
        }
        if self.returned > RETURNED_WITHIN {
            bad(format!("back after {:?}", self.returned));
        }
        if !matches!(self.expected, Expected::AnythingUntil(_)) && self.extra_load() > EXTRA_LOAD {
            bad(format!("{:.1} % more load", 100.0 * self.extra_load()));
        }
        complaints
    }

    fn failed(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| matches!(sample.seen, Seen::Refused(_) | Seen::Nothing(_)))
    }

    fn partial(&self) -> usize {
        self.samples.iter().filter(|sample| sample.seen == Seen::Partial).count()
    }

    fn extra_load(&self) -> f64 {
        self.sent as f64 / self.samples.len() as f64 - 1.0
    }
}
