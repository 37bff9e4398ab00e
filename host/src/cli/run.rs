//! `run`: serves until it is told to stop.

use std::path::PathBuf;

use tokio::signal::unix::{SignalKind, signal};

use crate::app::App;
use crate::config::Overrides;

pub(super) async fn run(config: PathBuf, take_over: bool, overrides: Overrides) -> anyhow::Result<()> {
    let mut stop = Stop::new()?;
    let app = match take_over {
        true => App::take_over(config, overrides).await?,
        false => App::start(config, overrides).await?,
    };
    until_stopped(app, &mut stop).await;
    Ok(())
}

/// Serves until the first signal, then finishes what is under way; a second signal ends that too.
pub(super) async fn until_stopped(app: App, stop: &mut Stop) {
    stop.requested().await;
    tracing::info!("stopping: requests under way are finished; a second signal ends them");
    tokio::select! {
        () = app.stop() => {}
        () = stop.requested() => tracing::warn!("stopped at once"),
    }
}

/// The signals that ask for an end.
pub(super) struct Stop {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Stop {
    pub(super) fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn requested(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
