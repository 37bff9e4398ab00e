//! Sending a request again after an attempt failed: whether it may be, when, and to whom. Runs only when something went
//! wrong. What cannot be sent again ends with what came last: a response as the endpoint gave it, or the error.

use std::time::{Duration, Instant};

use super::body::{self, Origin};
use super::course::{Course, Picked, Unpicked};
use super::error::{EndpointFault, Error};
use super::exchange::{Answer, Attempted, Exchange};
use super::trial::Trial;

/// The least time that a retry waits for its turn: a storm of failures is over by then, and a client hardly notices.
const PATIENCE: Duration = Duration::from_millis(250);

/// Why a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryReason {
    /// No connection could be made.
    Connect,
    /// No response in time.
    Timeout,
    /// The connection broke before the response.
    Reset,
    /// A status after which it is to be sent again.
    Status,
    /// The response took longer than most: a second request beside the first.
    Hedge,
}

impl RetryReason {
    /// All of them, in the order of the counters.
    pub const ALL: &'static [Self] = &[Self::Connect, Self::Timeout, Self::Reset, Self::Status, Self::Hedge];

    /// The name that metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Timeout => "timeout",
            Self::Reset => "reset",
            Self::Status => "status",
            Self::Hedge => "hedge",
        }
    }
}

/// An attempt that brought no response.
pub(super) struct Failed {
    pub(super) error: Error,
    /// Why the request may be sent again, if it may.
    pub(super) reason: Option<RetryReason>,
}

impl Failed {
    /// The endpoint could not be reached: nothing of the request was sent, so that another may have it in any case.
    pub(super) fn unreached(trial: &mut Trial, fault: EndpointFault) -> Self {
        let reason = fault.is_retryable().then_some(RetryReason::Connect);
        Self { error: trial.fault(fault, Instant::now()), reason }
    }
}

/// The longest wait before the nth retry, counted from 1.
fn backoff(first: Duration, nth: u32) -> Duration {
    first.saturating_mul(1_u32.checked_shl(nth.saturating_sub(1)).unwrap_or(u32::MAX))
}

impl Exchange {
    /// Why the request is to be sent again, if it is.
    pub(super) fn reason(&self, course: &Course, attempted: &Attempted) -> Option<RetryReason> {
        course.head.as_ref().filter(|_| course.attempts < self.seat().attempts())?;
        match attempted {
            // The head was kept because of the status.
            Ok(_) => Some(RetryReason::Status),
            Err(failed) => failed.reason,
        }
    }

    /// Sends the request again for as long as it may be and has to be.
    pub(super) async fn again(&self, course: &mut Course, picked: &mut Picked, mut last: Attempted) -> Attempted {
        while let Some(reason) = self.reason(course, &last) {
            if let Ok(answer) = &last {
                // The circuit and the strategy should know before the next pick.
                picked.trial.answers(answer.head.status, Instant::now());
                picked.trial.tell_now();
            }
            let seat = self.seat();
            let patience = seat.per_try().unwrap_or_default().max(PATIENCE);
            let Some(turn) = seat.shared().budget.take(|| seat.retries_allowed(), patience).await else {
                seat.counters.budget_exhausted.add(1);
                break;
            };
            if let Some(first) = seat.backoff() {
                // Any time up to that: clients that failed together do not come back together.
                tokio::time::sleep(backoff(first, course.attempts).mul_f64(fastrand::f64())).await;
            }
            course.tried.push(picked.trial.id());
            let next = match self.pick(course, Instant::now()) {
                // A response has its place at the endpoint still, and might be waited for by itself.
                Err(Unpicked::Full) if last.is_err() => self.wait_for_room(course).await.ok(),
                next => next.ok(),
            };
            let Some(next) = next else { break };
            let before = std::mem::replace(picked, next);
            if let Ok(answer) = last {
                give_up(course, answer, before.trial);
            }
            seat.counters.retry(reason);
            course.cause = Some(reason);
            last = self.attempt(course, picked).await;
            drop(turn);
        }
        last
    }
}

/// Another response is to come: takes the request back from the connection, which can be used again if all is said on it.
fn give_up(course: &mut Course, Answer { mut link, head }: Answer, trial: Trial) {
    let sent = course.upload.as_ref().is_none_or(|upload| upload.is_sent());
    course.recover(std::mem::take(link.outbox()), true);
    if sent {
        body::discard(head.framing, Origin { link, trial, upload: None });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_doubles_and_does_not_overflow() {
        let waits = [1, 2, 3].map(|nth| backoff(Duration::from_millis(10), nth).as_millis());
        assert_eq!(waits, [10, 20, 40]);
        assert_eq!(backoff(Duration::MAX, 40), Duration::MAX);
    }
}
