//! Who is compared, who is ejected, and how many at once.

use leverframe_sdk::host::Peers;
use leverframe_sdk::memory::Memory;
use leverframe_sdk::{EndpointId, HealthState, Observations, Verdict};

use crate::config::Config;
use crate::distribution::{Deviation, Sample, deviation};
use crate::ejection::Ejection;

/// The format of the state. An id keeps its meaning for as long as the process lives, which is as long as a state does.
const FORMAT: u32 = 1;

/// The windows of the whole cluster.
type Cluster = [(EndpointId, Observations)];

/// The ejections of one cluster.
#[derive(Clone, Debug)]
pub(crate) struct Ejections {
    config: Config,
    last: Memory<Ejection>,
}

/// What came of a judgement.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Judgement {
    /// Nothing stands out.
    Sound,
    /// It goes now.
    Ejected(Verdict),
    /// It went before and is still out.
    StillOut(Verdict),
}

impl Ejections {
    pub(crate) fn new(config: Config) -> Self {
        Self { config, last: Memory::default() }
    }

    pub(crate) fn export(&self) -> Vec<u8> {
        self.last.export(FORMAT)
    }

    pub(crate) fn import(&mut self, bytes: &[u8]) -> Result<(), String> {
        self.last.import(FORMAT, bytes)
    }

    /// Judges one endpoint.
    pub(crate) fn judge(&mut self, id: EndpointId, window: &Observations, peers: &impl Peers) -> Judgement {
        let age_ms = window.age_ms;
        let last = self.last.get(id).copied();
        if let Some(ejection) = last.filter(|last| last.is_on(age_ms)) {
            let cluster = peers.all();
            if self.count_out(&cluster) <= self.limit(&cluster) {
                return Judgement::StillOut(failed(ejection.reason(age_ms)));
            }
            // The cluster became smaller since.
            self.last.set(id, Some(ejection.cut_short(age_ms)), peers);
            return Judgement::Sound;
        }
        if last.is_some_and(|last| last.weight(age_ms, &self.config) == 0) {
            self.last.set(id, None, peers);
        }
        match self.find(id, window, peers) {
            None => Judgement::Sound,
            Some(deviation) => {
                let ejection = Ejection::begin(last, age_ms, window.window_ms, &deviation, &self.config);
                self.last.set(id, Some(ejection), peers);
                Judgement::Ejected(failed(reason(&deviation)))
            }
        }
    }

    /// In what the endpoint stands out, when there is room for one more ejection. Who is out says nothing about the
    /// traffic of now, and is neither judged nor compared with.
    fn find(&self, id: EndpointId, window: &Observations, peers: &impl Peers) -> Option<Deviation> {
        let sample = |window: &Observations| {
            let serves = window.state != HealthState::Failed;
            Sample::of(window, self.config.minimum_requests).filter(|_| serves)
        };
        let own = sample(window)?;
        let cluster = peers.all();
        if self.count_out(&cluster) >= self.limit(&cluster) {
            return None;
        }
        let others = cluster.iter().filter(|(peer, window)| *peer != id && !self.is_out(*peer, window));
        let others: Vec<Sample> = others.filter_map(|(_, window)| sample(window)).collect();
        deviation(own, &others, &self.config)
    }

    fn is_out(&self, id: EndpointId, window: &Observations) -> bool {
        self.last.get(id).is_some_and(|last| last.is_on(window.age_ms))
    }

    fn count_out(&self, cluster: &Cluster) -> usize {
        cluster.iter().filter(|(id, window)| self.is_out(*id, window)).count()
    }

    /// How many may be out at once: the share, rounded down, but one in any case.
    fn limit(&self, cluster: &Cluster) -> usize {
        // A hundredth of the least share, so that 0.29 of 100 is 29 although it is computed as 28.999...
        let share = self.config.max_ejected_share * cluster.len() as f64 + 0.000_01;
        (share as usize).max(1)
    }
}

fn failed(reason: String) -> Verdict {
    Verdict { state: HealthState::Failed, score: 0.0, effective_weight: 1.0, reason }
}

fn reason(deviation: &Deviation) -> String {
    match *deviation {
        Deviation::SuccessRate { own, limit } => {
            let (own, limit) = (own * 100.0, limit * 100.0);
            format!("ejected: success rate {own:.1} %, below the cluster's limit of {limit:.1} %")
        }
        Deviation::Latency { own, limit } => {
            let (own, limit) = (own / 1_000.0, limit / 1_000.0);
            format!("ejected: mean response time {own:.1} ms, above the cluster's limit of {limit:.1} ms")
        }
    }
}
