//! Why a scaler did not do what it was asked.

use std::time::Duration;

use super::desired::DesiredError;
use super::store::StoreError;

/// Why a scaler did not do what it was asked. Nothing has changed then.
#[derive(Debug, thiserror::Error)]
pub enum ScaleError {
    /// What is asked for cannot be.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// The last change is too fresh.
    #[error("the last change is too fresh: the next one may come in {} s", .left.as_secs_f64().ceil())]
    Cooldown {
        /// How much of the cooldown is left.
        left: Duration,
    },
    /// It would be forgotten by a restart.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cluster is scaled no more.
    #[error("the cluster is scaled no more")]
    Gone,
}
