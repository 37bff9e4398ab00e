//! The trial of a policy: all endpoints of the made-up cluster, once and again, before a panel of its own.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::super::error::LoadError;
use super::super::instance::{About, InstanceSetup, PolicyInstance};
use super::{Trial, cluster, holder};
use crate::cluster::Member;
use crate::health::{Panel, PolicyFigures, PolicyLost, PolicySeat};
use crate::model::{Events, Observations};

/// A policy that judges what was made up.
pub(super) struct PolicyTrial {
    about: About,
    panel: Panel,
    figures: Arc<PolicyFigures>,
    endpoints: Vec<(Arc<Member>, Observations)>,
    lost: mpsc::UnboundedReceiver<PolicyLost>,
}

impl PolicyTrial {
    pub(super) fn start(setup: InstanceSetup<'_>, config: &str) -> Result<Self, LoadError> {
        let mut instance = PolicyInstance::start(setup)?;
        let about = instance.describe()?;
        instance.configure(config)?;
        let (tell, lost) = mpsc::unbounded_channel();
        let cluster = cluster();
        let members = cluster.roster().members().to_vec();
        let panel = Panel::new(cluster.name().clone(), tell, Events::nowhere());
        let figures = Arc::new(PolicyFigures::default());
        let holder = holder(setup, &about);
        panel.replace(vec![PolicySeat { holder, policy: Box::new(instance), figures: Arc::clone(&figures) }]);
        Ok(Self { about, panel, figures, endpoints: members.into_iter().zip(observations()).collect(), lost })
    }
}

impl Trial for PolicyTrial {
    fn about(&self) -> &About {
        &self.about
    }

    fn run(&mut self) -> Result<u32, LoadError> {
        let verdicts = self.panel.judge(&self.endpoints);
        match self.lost.try_recv() {
            Ok(lost) => Err(LoadError::Faulty { call: "judge", fault: lost.fault }),
            Err(_) => Ok(u32::try_from(verdicts.len()).unwrap_or(u32::MAX)),
        }
    }

    fn counts(&self) -> (u64, u64) {
        let reading = self.figures.read();
        (reading.judged, reading.fallbacks)
    }
}

/// What was seen of each endpoint: a sound one, one whose probes fail, and one that is slow and fails requests.
fn observations() -> [Observations; super::ENDPOINTS as usize] {
    let sound = Observations {
        window_ms: 10_000,
        probes_ok: 5,
        consecutive_probes_ok: 60,
        requests_ok: 400,
        latency_mean_us: 20_000,
        latency_p99_us: 80_000,
        age_ms: 120_000,
        state_age_ms: 120_000,
        ..Observations::default()
    };
    let unreachable = Observations { probes_ok: 0, probes_failed: 5, consecutive_probes_ok: 0, ..sound };
    let slow = Observations { requests_ok: 200, requests_failed: 200, latency_p99_us: 5_000_000, ..sound };
    [
        sound,
        Observations { consecutive_probes_failed: 5, ..unreachable },
        Observations { consecutive_requests_failed: 6, latency_mean_us: 2_500_000, ..slow },
    ]
}
