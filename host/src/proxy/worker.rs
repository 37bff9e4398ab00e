//! The worker: one thread of the data path, and the handle by which the control side steers it.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, LocalOptions, LocalRuntime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::MissedTickBehavior;

use super::metrics::{Snapshot, WorkerMetrics};
use super::world::{Applied, World, WorldUpdate};
use crate::routing::{SeatCommand, SeatLost};

/// How often idle connections are looked through: what a timeout of seconds needs.
const SWEEP_EVERY: Duration = Duration::from_secs(1);

/// The worker's thread has ended, so it cannot be told anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the worker has ended")]
pub struct WorkerGone;

enum Command {
    Apply(Box<WorldUpdate>, oneshot::Sender<Applied>),
    Shutdown(Duration),
}

/// A thread of the data path.
#[derive(Debug)]
pub struct Worker;

/// The way to a worker. The worker ends when it is dropped.
#[derive(Debug)]
pub struct WorkerHandle {
    number: usize,
    commands: mpsc::UnboundedSender<Command>,
    seats: mpsc::UnboundedSender<SeatCommand>,
    metrics: Arc<WorkerMetrics>,
    ended: Option<oneshot::Receiver<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts a worker that serves nothing yet. `number` counts from 0; `lost` is told when a strategy had to be dropped.
    ///
    /// # Errors
    ///
    /// When the thread or its runtime cannot be had.
    pub fn spawn(number: usize, lost: mpsc::UnboundedSender<SeatLost>) -> io::Result<WorkerHandle> {
        let (commands, inbox) = mpsc::unbounded_channel();
        let (seats, seat_inbox) = mpsc::unbounded_channel();
        let (started, starting) = std::sync::mpsc::sync_channel(1);
        let (ending, ended) = oneshot::channel();
        let metrics = Arc::new(WorkerMetrics::default());
        let counted = Arc::clone(&metrics);
        let thread = std::thread::Builder::new().name(format!("worker-{number}")).spawn(move || {
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => {
                    // The other end waits for exactly this.
                    let _ = started.send(Err(error));
                    return;
                }
            };
            let _ = started.send(Ok(()));
            let world = Rc::new(World::new(number, lost, counted));
            runtime.block_on(serve(world, inbox, seat_inbox));
            drop(runtime);
            let _ = ending.send(());
        })?;
        starting.recv().map_err(io::Error::other)??;
        Ok(WorkerHandle { number, commands, seats, metrics, ended: Some(ended), thread: Some(thread) })
    }
}

impl WorkerHandle {
    /// The worker's number.
    pub fn number(&self) -> usize {
        self.number
    }

    /// The way to the worker's seats, for `routing::Seats`.
    pub fn seats(&self) -> mpsc::UnboundedSender<SeatCommand> {
        self.seats.clone()
    }

    /// The worker's counters, for whoever reports them.
    pub fn metrics(&self) -> &Arc<WorkerMetrics> {
        &self.metrics
    }

    /// What the worker counted so far.
    pub fn snapshot(&self) -> Snapshot {
        self.metrics.snapshot()
    }

    /// Replaces what the worker serves; returns when it does.
    ///
    /// # Errors
    ///
    /// `WorkerGone` when the worker has ended.
    pub async fn apply(&self, update: WorldUpdate) -> Result<Applied, WorkerGone> {
        let (reply, applied) = oneshot::channel();
        self.commands.send(Command::Apply(Box::new(update), reply)).map_err(|_| WorkerGone)?;
        applied.await.map_err(|_| WorkerGone)
    }

    /// Takes no more connections, finishes what is under way within a time, and ends the worker.
    pub async fn shutdown(mut self, limit: Duration) {
        // A worker that is gone is what was wanted.
        let _ = self.commands.send(Command::Shutdown(limit));
        if let Some(ended) = self.ended.take() {
            let _ = ended.await;
        }
        if let Some(thread) = self.thread.take() {
            // It said that it has ended: this does not wait.
            let _ = thread.join();
        }
    }
}

fn runtime() -> io::Result<LocalRuntime> {
    Builder::new_current_thread().enable_all().build_local(LocalOptions::default())
}

async fn serve(
    world: Rc<World>,
    mut commands: mpsc::UnboundedReceiver<Command>,
    mut seats: mpsc::UnboundedReceiver<SeatCommand>,
) {
    let mut sweep = tokio::time::interval(SWEEP_EVERY);
    sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let limit = loop {
        tokio::select! {
            command = commands.recv() => match command {
                Some(Command::Apply(update, reply)) => {
                    // Whoever asked may have gone; the world is replaced all the same.
                    let _ = reply.send(world.apply(*update));
                }
                Some(Command::Shutdown(limit)) => break limit,
                None => break Duration::ZERO,
            },
            Some(command) = seats.recv() => world.command(command),
            _ = sweep.tick() => world.sweep(Instant::now()),
        }
    };
    tokio::select! {
        () = world.finish() => {}
        () = serve_seats(&world, &mut seats) => {}
        () = tokio::time::sleep(limit) => {}
    }
}

/// Requests that finish still need their strategies, and a control side that waits for an answer still gets it.
async fn serve_seats(world: &World, seats: &mut mpsc::UnboundedReceiver<SeatCommand>) {
    while let Some(command) = seats.recv().await {
        world.command(command);
    }
    std::future::pending().await
}
