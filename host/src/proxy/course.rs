//! The course of one request: what is to be sent, where it was sent already, and the pick of where it is sent next. An
//! endpoint whose circuit is open, or that is full, is passed over, which is no attempt.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::deadline::Deadline;
use super::error::{Error, HostFault};
use super::exchange::Exchange;
use super::outbox::Outbox;
use super::retry::RetryReason;
use super::trial::{Refusal, Trial};
use super::upload::Upload;
use crate::cluster::Overload;
use crate::model::{Attempt, EndpointId, RequestHead};
use crate::routing::Decision;

/// What is known of a request on its way.
pub(super) struct Course {
    /// None once it is sure that it will not be sent again.
    pub(super) head: Option<Arc<RequestHead>>,
    pub(super) upload: Option<Box<Upload>>,
    /// What the next connection is to be given, when the head was written already.
    pub(super) outbox: Option<Outbox>,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// The endpoints that failed it.
    pub(super) tried: Vec<EndpointId>,
    /// It does the same when it is sent twice.
    pub(super) idempotent: bool,
    /// It is a `HEAD`.
    pub(super) answers_head: bool,
    /// Why it is sent once more; none while it is sent for the first time.
    pub(super) cause: Option<RetryReason>,
    /// A deadline of its own, where two courses of one request go on at the same time.
    pub(super) deadline: Option<Deadline>,
}

/// An endpoint that takes a request.
pub(super) struct Picked {
    pub(super) trial: Trial,
    /// Headers that the strategy adds to the response.
    pub(super) added: Vec<(HeaderName, HeaderValue)>,
    /// When the head of the response must be there.
    pub(super) due: Option<Instant>,
}

/// Why no endpoint takes a request.
pub(super) enum Unpicked {
    /// Each has as many requests as it may.
    Full,
    Error(Error),
}

impl Course {
    pub(super) fn new(head: Arc<RequestHead>, upload: Option<Box<Upload>>, upgrades: bool) -> Self {
        Self {
            idempotent: head.method.is_idempotent() && !upgrades,
            answers_head: head.method == Method::HEAD,
            head: Some(head),
            upload,
            outbox: None,
            attempts: 0,
            tried: Vec::new(),
            cause: None,
            deadline: None,
        }
    }

    /// Whether it can be sent once more although it may have arrived.
    pub(super) fn is_repeatable(&self) -> bool {
        self.idempotent && self.upload.as_ref().is_none_or(|upload| upload.is_kept())
    }

    /// Whether all of it is in the outbox of its connection.
    pub(super) fn is_simple(&self) -> bool {
        self.idempotent && self.upload.is_none()
    }

    /// It is to be sent again: `sent` is the outbox of the connection that failed it, of which something was written or
    /// not.
    pub(super) fn recover(&mut self, mut sent: Outbox, touched: bool) {
        match &mut self.upload {
            None => sent.rewind(),
            Some(upload) if touched => sent = upload.rewind(),
            // The body goes on where it is.
            Some(_) => {}
        }
        self.outbox = Some(sent);
    }

    /// All of the request is written down and it will not be sent again: the room of its headers serves the response's.
    pub(super) fn room(&mut self) -> HeaderMap {
        let mut head = self.head.take();
        let head = head.as_mut().and_then(Arc::get_mut);
        let mut headers = head.map(|head| std::mem::take(&mut head.headers)).unwrap_or_default();
        headers.clear();
        headers
    }
}

impl Exchange {
    /// An endpoint that was not tried yet, if there is one, and lets the request through.
    pub(super) fn pick(&self, course: &mut Course, now: Instant) -> Result<Picked, Unpicked> {
        let span = self.pick_span(now);
        let tried = course.tried.len();
        let picked = self.pick_past(course, tried, now);
        if let Some(span) = span {
            self.tell_pick(span, &picked, course.tried.len().saturating_sub(tried));
        }
        course.tried.truncate(tried);
        if let Ok(picked) = &picked {
            course.attempts += 1;
            if let Some(record) = self.record() {
                let plugin = self.seat().selector.borrow().told().chosen_by().cloned();
                record.picked(picked.trial.name().clone(), plugin);
            }
        }
        picked
    }

    /// Who refuses the request stands behind the first `tried` in the list of those who are not to be asked.
    fn pick_past(&self, course: &mut Course, tried: usize, now: Instant) -> Result<Picked, Unpicked> {
        let seat = self.seat();
        let Some(head) = &course.head else { return Err(Unpicked::Error(self.no_endpoint(now))) };
        let (mut from, mut full) = (0, false);
        loop {
            let excluded = course.tried.get(from..).unwrap_or_default();
            let (member, added) = match seat.pick(head, Attempt { number: course.attempts, excluded }) {
                Decision::Endpoint(member, added) => (member, added),
                Decision::Reject(status, reason) => {
                    let cluster = seat.name().clone();
                    return Err(Unpicked::Error(Error::Rejected { cluster, status, reason }));
                }
                Decision::NoEndpoint => return Err(Unpicked::Error(self.no_endpoint(now))),
            };
            let refused = course.tried.get(tried..).unwrap_or_default();
            if !refused.is_empty() && refused.contains(&member.id()) {
                // Nobody else is left; perhaps those that were tried are sound by now.
                if from < tried {
                    from = tried;
                    continue;
                }
                return Err(if full { Unpicked::Full } else { Unpicked::Error(self.circuit_open(now)) });
            }
            let id = member.id();
            match Trial::begin(seat, member, now) {
                Ok(trial) => return Ok(Picked { trial, added, due: seat.per_try().map(|limit| now + limit) }),
                Err(Refusal::Full) => full = true,
                Err(Refusal::Circuit) => seat.counters.circuit_refused.add(1),
            }
            course.tried.push(id);
        }
    }

    /// An endpoint of a cluster that has none with room: waits in the queue until one has.
    pub(super) async fn wait_for_room(&self, course: &mut Course) -> Result<Picked, Error> {
        let (seat, began) = (self.seat(), Instant::now());
        let limits = seat.capacity();
        let queued = seat.shared().queue.enter(limits.queue).ok_or_else(|| self.overloaded(Overload::QueueFull))?;
        let look = || match self.pick(course, Instant::now()) {
            Ok(picked) => Some(Ok(picked)),
            Err(Unpicked::Error(error)) => Some(Err(error)),
            Err(Unpicked::Full) => None,
        };
        let waited = tokio::time::timeout(limits.queue_timeout, queued.wait(look)).await;
        let picked = waited.map_err(|_| self.overloaded(Overload::QueueTimeout))?;
        seat.counters.queued(began.elapsed());
        picked
    }

    /// The request did not get its turn.
    pub(super) fn overloaded(&self, why: Overload) -> Error {
        let seat = self.seat();
        seat.counters.queue_refused.add(1);
        Error::Host(HostFault::Overloaded { cluster: seat.name().clone(), why })
    }

    /// The roster may know already that circuits are open.
    fn no_endpoint(&self, now: Instant) -> Error {
        let seat = self.seat();
        match seat.is_cut_off() {
            true => self.circuit_open(now),
            false => Error::Host(HostFault::NoEndpoint(seat.name().clone())),
        }
    }

    fn circuit_open(&self, now: Instant) -> Error {
        let seat = self.seat();
        let wait = seat.opens_at().map(|at| at.saturating_duration_since(now)).unwrap_or_default();
        // In whole seconds, and never at once: half-open circuits have their trials under way.
        let retry_after = wait.as_millis().div_ceil(1000).max(1);
        let retry_after = u64::try_from(retry_after).unwrap_or(u64::MAX);
        Error::Host(HostFault::CircuitOpen { cluster: seat.name().clone(), retry_after })
    }
}
