//! The chooser: one seat of a cluster for many tasks, where requests do not run on the workers. A lock around a selector, held
//! for a decision and never across an await.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::seat::{Seat, SeatCommand, SeatLost};
use super::selector::{Decision, Selector};
use crate::cluster::LiveCluster;
use crate::model::{Attempt, Outcome, RequestHead};

/// Has the strategy of a cluster choose for whoever asks.
pub struct Chooser {
    cluster: Arc<LiveCluster>,
    selector: Mutex<Selector>,
}

impl Chooser {
    /// One without a strategy. `number` counts on from those of the workers; `lost` is told when a strategy had to be dropped.
    pub fn new(number: usize, cluster: Arc<LiveCluster>, lost: mpsc::UnboundedSender<SeatLost>) -> Self {
        let selector = Mutex::new(Selector::new(number, Arc::clone(&cluster), lost));
        Self { cluster, selector }
    }

    /// The cluster.
    pub fn cluster(&self) -> &Arc<LiveCluster> {
        &self.cluster
    }

    /// Chooses an endpoint.
    pub fn pick(&self, request: &Arc<RequestHead>, attempt: Attempt<'_>) -> Decision {
        self.selector().pick(request, attempt)
    }

    /// Tells the strategy what became of an attempt.
    pub fn tell(&self, outcome: &Outcome) {
        self.selector().on_outcome(outcome);
    }

    /// Seats a strategy for good.
    pub fn replace(&self, seat: Seat) {
        self.selector().replace(seat);
    }

    /// Does what the control side says about the seat.
    pub fn carry_out(&self, command: SeatCommand) {
        command.carry_out(&mut self.selector());
    }

    fn selector(&self) -> MutexGuard<'_, Selector> {
        self.selector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
