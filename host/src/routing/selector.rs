//! The selector: one worker's way to an endpoint of one cluster. It asks the strategy and holds it to the rules: only a
//! candidate that was not tried is ever returned, and a strategy that fails costs a fallback, not a request.

use std::sync::Arc;
use std::time::Instant;

use http::{HeaderName, HeaderValue, StatusCode};
use tokio::sync::mpsc;

use super::candidates::Candidates;
use super::fallback::RoundRobin;
use super::figures::SeatFigures;
use super::seat::{Seat, SeatLost};
use super::strategy::Choice;
use crate::cluster::{LiveCluster, Member};
use crate::model::{Attempt, Carried, EndpointId, Fault, ImportError, Outcome, PluginName, RequestHead, SeatHolder};

/// One pick in so many is timed: reading the clock twice costs a tenth of a pick.
const TIME_ONE_IN: u64 = 16;

/// Headers that say where a message ends and what becomes of its connection. One from a strategy could cut a response
/// short, or hide another in it.
const HOST_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Response headers that a strategy may add: what a few cookies need.
const MAX_HEADERS: usize = 32;
const MAX_HEADER_BYTES: usize = 8 << 10;

/// A decision that keeps the rules.
#[derive(Debug)]
pub enum Decision {
    /// Send it there, and add the headers to the response.
    Endpoint(Arc<Member>, Vec<(HeaderName, HeaderValue)>),
    /// Turn it away.
    Reject(StatusCode, String),
    /// The cluster has no endpoint that may be chosen.
    NoEndpoint,
}

/// How a decision came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The strategy chose.
    Chosen,
    /// It chose, and added headers to the response.
    Routed,
    /// It turned the request away.
    Rejected,
    /// It left the choice to the host.
    Declined,
    /// It failed over this request, so the host chose.
    Failed,
    /// There is none, so the host chose.
    Vacant,
    /// There was nobody to choose from.
    Nobody,
}

/// What is told of the last decision.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// How it came about.
    pub how: How,
    /// Who was asked, or failed before.
    pub holder: Option<&'a SeatHolder>,
    /// How that one failed.
    pub fault: Option<&'a Fault>,
}

impl<'a> Told<'a> {
    /// The plugin that chose; none where the host did.
    pub fn chosen_by(&self) -> Option<&'a PluginName> {
        let chose = matches!(self.how, How::Chosen | How::Routed);
        self.holder.filter(|_| chose).map(|holder| &holder.plugin)
    }
}

/// A strategy that failed, while it is away.
struct Vacated {
    holder: SeatHolder,
    fault: Fault,
    /// Where the fallbacks are counted meanwhile.
    figures: Arc<SeatFigures>,
}

/// Holds the strategy of one seat.
pub struct Selector {
    worker: usize,
    cluster: Arc<LiveCluster>,
    candidates: Arc<Candidates>,
    seated: Option<Seat>,
    vacated: Option<Vacated>,
    /// How the last decision came about.
    how: How,
    /// Who sat here before the last change, if anyone did, until the change is settled.
    aside: Option<Option<Seat>>,
    fallback: RoundRobin,
    lost: mpsc::UnboundedSender<SeatLost>,
}

impl Selector {
    /// A selector without a strategy, which serves by fallback. `lost` is told when a strategy had to be dropped.
    pub fn new(worker: usize, cluster: Arc<LiveCluster>, lost: mpsc::UnboundedSender<SeatLost>) -> Self {
        Self {
            worker,
            cluster,
            candidates: Arc::default(),
            seated: None,
            vacated: None,
            how: How::Nobody,
            aside: None,
            fallback: RoundRobin::default(),
            lost,
        }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<LiveCluster> {
        &self.cluster
    }

    /// Chooses an endpoint.
    pub fn pick(&mut self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Decision {
        self.refresh();
        self.how = How::Nobody;
        if self.candidates.is_empty() {
            return Decision::NoEndpoint;
        }
        let attempt = self.leaving_a_choice(attempt);
        let asked = self.ask(request, attempt);
        match asked {
            Some(Ok(decision)) => {
                self.how = how(&decision);
                return decision;
            }
            Some(Err(fault)) => {
                self.unseat(fault);
                self.how = How::Failed;
            }
            None if self.seated.is_some() => self.how = How::Declined,
            None => self.how = How::Vacant,
        }
        if let Some(figures) = self.figures() {
            figures.fallback();
        }
        match self.fallback.pick(&self.candidates, attempt.excluded) {
            Some(member) => Decision::Endpoint(member, Vec::new()),
            None => Decision::NoEndpoint,
        }
    }

    /// How the last decision came about.
    pub fn told(&self) -> Told<'_> {
        match (&self.seated, &self.vacated) {
            (Some(seat), _) => Told { how: self.how, holder: Some(&seat.holder), fault: None },
            (None, Some(gone)) => Told { how: self.how, holder: Some(&gone.holder), fault: Some(&gone.fault) },
            (None, None) => Told { how: self.how, holder: None, fault: None },
        }
    }

    /// Where fallbacks are counted.
    fn figures(&self) -> Option<&Arc<SeatFigures>> {
        self.seated.as_ref().map(|seat| &seat.figures).or(self.vacated.as_ref().map(|gone| &gone.figures))
    }

    /// Tells the strategy what became of an attempt.
    pub fn on_outcome(&mut self, outcome: &Outcome) {
        let told = self.seated.as_mut().map(|seat| seat.strategy.on_outcome(outcome));
        if let Some(Err(fault)) = told {
            self.unseat(fault);
        }
    }

    /// Seats a strategy for good: for a new cluster, or under a new configuration, where no state goes over. One that
    /// fails at once is reported lost.
    pub fn replace(&mut self, seat: Seat) {
        self.refresh();
        self.aside = None;
        self.seated = Some(seat);
        self.tell_candidates();
    }

    /// Seats another version and keeps the one before aside until it is settled. State goes over between versions of one
    /// plugin; on an error the seat is as it was.
    pub fn install(&mut self, mut seat: Seat) -> Result<Carried, ImportError> {
        self.refresh();
        let carried = self.carry_into(&mut seat)?;
        if !self.candidates.is_empty() {
            seat.strategy.candidates_changed(&self.candidates).map_err(ImportError::Candidates)?;
        }
        self.aside = Some(self.seated.replace(seat));
        Ok(carried)
    }

    /// Seats another instance of the version that was lost, unless somebody sits here by now.
    pub fn refill(&mut self, seat: Seat) {
        if self.seated.is_none() {
            self.replace(seat);
        }
    }

    /// Drops what was kept aside.
    pub fn keep(&mut self) {
        self.aside = None;
    }

    /// Undoes the last change, unless it is settled.
    pub fn go_back(&mut self) {
        if let Some(before) = self.aside.take() {
            self.seated = before;
            self.tell_candidates();
        }
    }

    /// An attempt that leaves something to choose: when every candidate was tried, all may be tried again.
    fn leaving_a_choice<'a>(&self, attempt: Attempt<'a>) -> Attempt<'a> {
        let untried = |member: &Arc<Member>| !attempt.excluded.contains(&member.id());
        match attempt.excluded.is_empty() || self.candidates.members().iter().any(untried) {
            true => attempt,
            false => Attempt { excluded: &[], ..attempt },
        }
    }

    fn refresh(&mut self) {
        let roster = self.cluster.roster();
        if roster.generation() == self.candidates.generation() {
            return;
        }
        self.candidates = Arc::new(Candidates::of(&roster));
        drop(roster);
        self.tell_candidates();
    }

    fn tell_candidates(&mut self) {
        if self.candidates.is_empty() {
            return;
        }
        let told = self.seated.as_mut().map(|seat| seat.strategy.candidates_changed(&self.candidates));
        if let Some(Err(fault)) = told {
            self.unseat(fault);
        }
    }

    /// The strategy's decision, checked; none when the host is to decide.
    fn ask(&mut self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Option<Result<Decision, Fault>> {
        let seat = self.seated.as_mut()?;
        let timed = seat.figures.pick() % TIME_ONE_IN == 1;
        let choice = if timed {
            let start = Instant::now();
            let choice = seat.strategy.pick(request, attempt);
            seat.figures.time(start.elapsed());
            choice
        } else {
            seat.strategy.pick(request, attempt)
        };
        let checked = match choice {
            Err(fault) => Err(fault),
            Ok(Choice::Fallback) => return None,
            Ok(Choice::Endpoint(id)) => {
                allowed(&self.candidates, id, attempt).map(|member| Decision::Endpoint(member, Vec::new()))
            }
            Ok(Choice::Routed(id, headers)) => allowed(&self.candidates, id, attempt)
                .and_then(|member| Ok(Decision::Endpoint(member, checked_headers(headers)?))),
            Ok(Choice::Reject(rejection)) => checked_status(rejection.status).map(|status| {
                seat.figures.rejection();
                Decision::Reject(status, rejection.reason)
            }),
        };
        Some(checked)
    }

    /// Drops a strategy that failed; the control side sends another when its back-off is over.
    fn unseat(&mut self, fault: Fault) {
        let Some(seat) = self.seated.take() else { return };
        seat.figures.fault(&fault);
        self.vacated = Some(Vacated { holder: seat.holder.clone(), fault: fault.clone(), figures: seat.figures });
        let cluster = self.cluster.name().clone();
        // Without a control side there is nobody to tell, and the fallback serves on.
        let _ = self.lost.send(SeatLost { worker: self.worker, cluster, holder: seat.holder, fault });
    }

    fn carry_into(&mut self, next: &mut Seat) -> Result<Carried, ImportError> {
        let Some(before) = &mut self.seated else { return Ok(Carried::Nothing) };
        if !next.holder.goes_on_from(&before.holder) {
            return Ok(Carried::Nothing);
        }
        // A version that cannot say what it knows is no reason to keep it.
        let state = before.strategy.export_state().unwrap_or_default();
        if state.is_empty() {
            return Ok(Carried::Nothing);
        }
        next.strategy.import_state(&before.holder.version, &state)?;
        Ok(Carried::Yes)
    }
}

fn how(decision: &Decision) -> How {
    match decision {
        Decision::Endpoint(_, headers) if headers.is_empty() => How::Chosen,
        Decision::Endpoint(..) => How::Routed,
        Decision::Reject(..) => How::Rejected,
        Decision::NoEndpoint => How::Nobody,
    }
}

fn allowed(candidates: &Candidates, id: EndpointId, attempt: Attempt<'_>) -> Result<Arc<Member>, Fault> {
    match candidates.get(id) {
        Some(member) if !attempt.excluded.contains(&id) => Ok(Arc::clone(member)),
        _ => Err(Fault::NotACandidate(id)),
    }
}

fn checked_headers(headers: Vec<(String, String)>) -> Result<Vec<(HeaderName, HeaderValue)>, Fault> {
    let bytes: usize = headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if headers.len() > MAX_HEADERS || bytes > MAX_HEADER_BYTES {
        return Err(Fault::Answer(format!(
            "gave {} response headers of {bytes} bytes; {MAX_HEADERS} of {MAX_HEADER_BYTES} bytes is the most",
            headers.len()
        )));
    }
    let checked = |(name, value): (String, String)| {
        let bad = || Fault::Answer("gave a response header that is no header".to_owned());
        let name = HeaderName::try_from(name.as_str()).map_err(|_| bad())?;
        if HOST_HEADERS.contains(&name.as_str()) {
            return Err(Fault::Answer(format!("gave the response header `{name}`, which is the host's alone")));
        }
        Ok((name, HeaderValue::try_from(value).map_err(|_| bad())?))
    };
    headers.into_iter().map(checked).collect()
}

fn checked_status(status: u16) -> Result<StatusCode, Fault> {
    match StatusCode::from_u16(status) {
        Ok(code) if (400..600).contains(&status) => Ok(code),
        _ => Err(Fault::Answer(format!("turned a request away with status {status}; 400 to 599 can be"))),
    }
}
