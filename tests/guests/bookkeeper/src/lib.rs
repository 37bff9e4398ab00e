//! Bookkeeper: a routing strategy that keeps figures of its own, of each kind, under names that a page of metrics could not
//! show as they are: with the suffixes that Prometheus reserves, with a unit that is none, in capitals. It is built for the
//! tests alone.

use leverframe_sdk::host::Runtime;
use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{Candidates, Choice, Endpoint, NoConfig, Outcome, RoutingHost, RoutingStrategy, Wants};

/// The strategy.
#[derive(Debug)]
pub struct Bookkeeper {
    rotation: Rotation,
}

impl RoutingStrategy for Bookkeeper {
    type Config = NoConfig;

    fn new(_: NoConfig) -> Result<Self, String> {
        Ok(Self { rotation: Rotation::default() })
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        host.runtime().counter("picks_total", 1);
        host.runtime().gauge("leverframe_requests_total", 2.5);
        host.runtime().histogram("Size_bucket", 3.0);
        host.runtime().histogram("Size_bucket_sum", 4.0);
        self.rotation.turn(candidates.excluded()).into()
    }

    fn wants(&self) -> Wants {
        Wants::OUTCOMES
    }

    fn candidates_changed(&mut self, _: &impl RoutingHost, candidates: &[Endpoint]) {
        self.rotation.replace(candidates);
    }

    fn on_outcome(&mut self, host: &impl RoutingHost, outcome: &Outcome) {
        host.runtime().histogram("took_ms", f64::from(outcome.latency_us) / 1e3);
    }
}

leverframe_sdk::export!(strategy: Bookkeeper);
