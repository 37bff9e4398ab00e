//! What a demo node does wrong when it is told to, so that one can watch how the proxy copes. Pure: a query goes in, a
//! fault with its end comes out.

use std::time::{Duration, Instant};

use http::StatusCode;

use super::query::{millis, value};

/// How long a node refuses connections when the query does not say: it must be told before, since it cannot be asked
/// to stop.
const USUAL_REFUSAL: Duration = Duration::from_secs(5);
/// By how much a slow node is slower when the query does not say.
const USUAL_DELAY: Duration = Duration::from_millis(500);

/// A way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// Of a hundred requests, so many are answered with this status.
    Errors {
        /// How many.
        percent: u8,
        /// Which.
        status: StatusCode,
    },
    /// Everything takes longer by this time.
    Slow(Duration),
    /// Connections are taken, requests are never answered.
    Hang,
    /// Responses are cut off in the middle.
    Reset,
    /// Connections are refused, and those that are open are closed.
    Refuse,
}

/// A fault and its end; none goes on until another is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spell {
    pub(super) fault: Option<Fault>,
    pub(super) until: Option<Instant>,
}

impl Spell {
    /// Nothing is wrong.
    pub(super) const NONE: Self = Self { fault: None, until: None };

    /// Reads `kind=`, with `percent=`, `ms=` and `for_ms=` where they apply.
    ///
    /// # Errors
    /// One line that says what can be asked for.
    pub(super) fn parse(query: &str, now: Instant) -> Result<Self, &'static str> {
        const KINDS: &str = "kind is one of: none, errors (percent=50, status=500), slow (ms=500), hang, reset, refuse; \
                             for_ms=5000 ends it after five seconds";
        let percent = || value(query, "percent").and_then(|text| text.parse().ok()).unwrap_or(50).min(100);
        let status = || value(query, "status").and_then(|text| text.parse().ok());
        let fault = match value(query, "kind").ok_or(KINDS)? {
            "none" => return Ok(Self::NONE),
            "errors" => {
                let status = status().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Fault::Errors { percent: percent(), status }
            }
            "slow" => Fault::Slow(millis(query, "ms").unwrap_or(USUAL_DELAY)),
            "hang" => Fault::Hang,
            "reset" => Fault::Reset,
            "refuse" => Fault::Refuse,
            _ => return Err(KINDS),
        };
        let lasts = millis(query, "for_ms").or((fault == Fault::Refuse).then_some(USUAL_REFUSAL));
        Ok(Self { fault: Some(fault), until: lasts.and_then(|lasts| now.checked_add(lasts)) })
    }

    /// What is wrong at a moment.
    pub(super) fn at(&self, now: Instant) -> Option<Fault> {
        self.fault.filter(|_| self.until.is_none_or(|until| now < until))
    }
}

/// Whether the request of this number, counted from 1, is one of the so many in a hundred: evenly spread, so that even a
/// short run has its share.
pub(super) fn is_hit(number: u64, percent: u8) -> bool {
    let percent = u64::from(percent);
    number * percent / 100 > (number - 1) * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spell_has_an_end_where_one_is_given_or_needed() {
        let now = Instant::now();
        let after = |ms| now + Duration::from_millis(ms);
        let slow = Spell::parse("kind=slow&ms=20&for_ms=100", now).unwrap();
        assert_eq!(slow.at(after(99)), Some(Fault::Slow(Duration::from_millis(20))));
        assert_eq!(slow.at(after(100)), None);
        assert_eq!(Spell::parse("kind=hang", now).unwrap().until, None);
        assert_eq!(Spell::parse("kind=refuse", now).unwrap().until, Some(after(5_000)));
        assert_eq!(Spell::parse("kind=none", now), Ok(Spell::NONE));
        assert!(Spell::parse("kind=fire", now).unwrap_err().contains("errors"));
    }

    #[test]
    fn hits_are_as_many_as_asked_for_and_spread() {
        let hits = |percent| (1..=100).filter(|number| is_hit(*number, percent)).count();
        assert_eq!([0, 1, 33, 50, 100].map(hits), [0, 1, 33, 50, 100]);
        assert_eq!((1..=6).filter(|number| is_hit(*number, 50)).collect::<Vec<_>>(), [2, 4, 6]);
    }
}
