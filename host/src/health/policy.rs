//! What a health policy is to the host. The plugin folder implements it with components; the tests with native code.

use std::sync::Arc;
use std::time::Duration;

use super::figures::PolicyFigures;
use crate::model::{ClusterName, Endpoint, Fault, ImportError, Observations, Peers, SeatHolder, Verdict};

/// One instance of a health policy, for one cluster. Never called twice at a time.
pub trait Policy: Send {
    /// Judges one endpoint by what was seen of it and of its peers. `before` is the verdict of the policy in front of this
    /// one, or the verdict on an endpoint of which nothing bad is known. The answer is not yet checked.
    fn judge(
        &mut self,
        endpoint: &Endpoint,
        window: &Observations,
        peers: &Arc<Peers>,
        before: &Verdict,
    ) -> Result<Verdict, Fault>;

    /// What the next version should know.
    fn export_state(&mut self) -> Result<Vec<u8>, Fault>;

    /// What the version before knew.
    fn import_state(&mut self, from_version: &str, state: &[u8]) -> Result<(), ImportError>;

    /// The configuration that it was made with, as JSON text.
    fn config(&self) -> &str {
        ""
    }

    /// How long one call may take.
    fn call_deadline(&self) -> Duration {
        Duration::ZERO
    }
}

/// A policy that is ready to sit on a panel.
pub struct PolicySeat {
    /// Who it is.
    pub holder: SeatHolder,
    /// The instance.
    pub policy: Box<dyn Policy>,
    /// Where its work is counted.
    pub figures: Arc<PolicyFigures>,
}

impl std::fmt::Debug for PolicySeat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PolicySeat").field("holder", &self.holder).finish_non_exhaustive()
    }
}

/// A panel lost the policy at one position, where the built-in one judges in its place.
#[derive(Debug)]
pub struct PolicyLost {
    /// Whose panel.
    pub cluster: ClusterName,
    /// Where in its list, counted from 0.
    pub position: usize,
    /// Who sat there.
    pub holder: SeatHolder,
    /// Why.
    pub fault: Fault,
}
