//! The desk: who chooses for SQL entries, whose statements do not run on the workers. To the plugins' side it is one more
//! worker, which comes after the others, with a seat for each cluster.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;

use super::ward::Ward;
use crate::model::ClusterName;
use crate::routing::{Chooser, Seat, SeatCommand, SeatLost};

/// The choosers of all clusters.
#[derive(Clone)]
pub(super) struct Desk {
    number: usize,
    lost: mpsc::UnboundedSender<SeatLost>,
    choosers: Arc<Mutex<BTreeMap<ClusterName, Arc<Chooser>>>>,
}

impl Desk {
    /// Without any cluster so far; `number` is the number of workers.
    pub(super) fn new(number: usize, lost: mpsc::UnboundedSender<SeatLost>) -> Self {
        Self { number, lost, choosers: Arc::default() }
    }

    /// Goes by the clusters that there are from here on, and seats what is new.
    pub(super) fn follow(&self, wards: &BTreeMap<ClusterName, Ward>, mut seats: BTreeMap<ClusterName, Seat>) {
        let mut choosers = self.choosers();
        choosers.retain(|name, _| wards.contains_key(name));
        for (name, ward) in wards {
            let chooser = choosers
                .entry(name.clone())
                .or_insert_with(|| Arc::new(Chooser::new(self.number, Arc::clone(&ward.live), self.lost.clone())));
            if let Some(seat) = seats.remove(name) {
                chooser.replace(seat);
            }
        }
    }

    /// Who chooses in a cluster.
    pub(super) fn chooser(&self, cluster: &ClusterName) -> Option<Arc<Chooser>> {
        self.choosers().get(cluster).cloned()
    }

    /// Does what the plugins' side says about the seats, until that is gone.
    pub(super) async fn serve(self, mut commands: mpsc::UnboundedReceiver<SeatCommand>) {
        while let Some(command) = commands.recv().await {
            // Who waits for an answer of a seat that is gone hears that there is nothing to fill.
            if let Some(chooser) = self.chooser(command.cluster()) {
                chooser.carry_out(command);
            }
        }
    }

    fn choosers(&self) -> MutexGuard<'_, BTreeMap<ClusterName, Arc<Chooser>>> {
        self.choosers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
