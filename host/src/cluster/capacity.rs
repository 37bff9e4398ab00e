//! How many requests a cluster may have under way, over all workers, and the queue in front: bounded, first come, first
//! served, with a deadline. Knows nothing of endpoints; an endpoint's own cap is `Member::try_begin`.
//!
//! A place is passed on from the request that ends to the one that waits longest, so that nobody can slip in between,
//! and a waiter that is cancelled while a place is on its way passes it on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// What a cluster may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CapacityLimits {
    /// Requests under way; none is no limit.
    pub in_flight: Option<u32>,
    /// Requests that may wait for their turn.
    pub queue: u32,
    /// How long one may wait.
    pub queue_timeout: Duration,
}

/// Why there is no place for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Overload {
    /// As many requests are waiting as may.
    #[error("its queue is full")]
    QueueFull,
    /// Its turn did not come in time.
    #[error("its queue did not move in time")]
    QueueTimeout,
}

/// The places of a cluster. Without a cap, entering costs one load, and nothing is counted.
#[derive(Debug, Default)]
pub struct Capacity {
    capped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    limits: CapacityLimits,
    /// Places that are taken, those on their way to a waiter included.
    taken: u32,
    /// Who waits, by ticket: the lowest is next. Only full places are waited for.
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
    next_ticket: u64,
}

impl State {
    fn has_room(&self) -> bool {
        self.limits.in_flight.is_none_or(|cap| self.taken < cap)
    }

    /// Gives free places to those who wait.
    fn serve(&mut self) {
        while self.has_room() {
            let Some((_, waiter)) = self.waiting.pop_first() else { return };
            // One that was cancelled at this moment is out of the queue as well.
            if waiter.send(()).is_ok() {
                self.taken += 1;
            }
        }
    }
}

impl Capacity {
    /// Changes the limits. Requests that are under way stay; those that entered while there was no cap are not counted.
    pub fn configure(&self, limits: CapacityLimits) {
        let mut state = self.state();
        state.limits = limits;
        state.serve();
        self.capped.store(limits.in_flight.is_some(), Relaxed);
    }

    /// A place for a request: at once when there is room, else when its turn has come.
    ///
    /// # Errors
    ///
    /// `Overload` when the queue is full, or when the turn does not come in time.
    pub async fn enter(self: &Arc<Self>) -> Result<Place, Overload> {
        if !self.capped.load(Relaxed) {
            return Ok(Place(None));
        }
        let (mut waiting, limit) = match self.arrive()? {
            Arrival::Enters => return Ok(Place(Some(Arc::clone(self)))),
            Arrival::Waits(waiting, limit) => (waiting, limit),
        };
        match tokio::time::timeout(limit, &mut waiting.turn).await {
            Ok(Ok(())) => Ok(waiting.enter()),
            // Whoever waits is in the queue until it has a place: the queue does not end before.
            Ok(Err(_)) | Err(_) => Err(Overload::QueueTimeout),
        }
    }

    /// Requests that are counted as under way.
    pub fn in_flight(&self) -> u32 {
        self.state().taken
    }

    /// Requests that wait for their turn.
    pub fn waiting(&self) -> usize {
        self.state().waiting.len()
    }

    fn arrive(self: &Arc<Self>) -> Result<Arrival, Overload> {
        let mut state = self.state();
        if state.has_room() {
            state.taken += 1;
            return Ok(Arrival::Enters);
        }
        if state.waiting.len() >= state.limits.queue as usize {
            return Err(Overload::QueueFull);
        }
        let (call, turn) = oneshot::channel();
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.insert(ticket, call);
        let waiting = Waiting { capacity: Arc::clone(self), ticket, turn, entered: false };
        Ok(Arrival::Waits(waiting, state.limits.queue_timeout))
    }

    fn leave(&self) {
        let mut state = self.state();
        state.taken = state.taken.saturating_sub(1);
        state.serve();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Arrival {
    Enters,
    Waits(Waiting, Duration),
}

/// A request in the queue. Dropped, it leaves the queue, and gives back a place that was on its way.
struct Waiting {
    capacity: Arc<Capacity>,
    ticket: u64,
    turn: oneshot::Receiver<()>,
    entered: bool,
}

impl Waiting {
    fn enter(mut self) -> Place {
        self.entered = true;
        Place(Some(Arc::clone(&self.capacity)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.entered {
            return;
        }
        let queued = self.capacity.state().waiting.remove(&self.ticket);
        // Out of the queue, nothing more is sent; what was sent before is here now.
        if queued.is_none() && self.turn.try_recv().is_ok() {
            self.capacity.leave();
        }
    }
}

/// A request's place; given back on drop.
#[derive(Debug)]
#[must_use]
pub struct Place(Option<Arc<Capacity>>);

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(capacity) = &self.0 {
            capacity.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use proptest::prelude::*;

    use super::*;

    const LONG: Duration = Duration::from_secs(3600);

    fn limits(in_flight: u32, queue: u32) -> CapacityLimits {
        CapacityLimits { in_flight: Some(in_flight), queue, queue_timeout: LONG }
    }

    fn capacity(in_flight: u32, queue: u32) -> Arc<Capacity> {
        let capacity = Arc::new(Capacity::default());
        capacity.configure(limits(in_flight, queue));
        capacity
    }

    #[tokio::test]
    async fn without_a_cap_nothing_is_counted() {
        let capacity = Arc::new(Capacity::default());
        let _places = [capacity.enter().await.unwrap(), capacity.enter().await.unwrap()];
        assert_eq!((capacity.in_flight(), capacity.waiting()), (0, 0));
    }

    #[tokio::test]
    async fn a_turn_that_does_not_come_in_time_is_an_overload() {
        let capacity = capacity(1, 1);
        capacity.configure(CapacityLimits { queue_timeout: Duration::from_millis(5), ..limits(1, 1) });
        let _place = capacity.enter().await.unwrap();
        assert_eq!(capacity.enter().await.unwrap_err(), Overload::QueueTimeout);
        assert_eq!((capacity.in_flight(), capacity.waiting()), (1, 0));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn threads_that_come_and_go_never_pass_the_cap_and_lose_no_place() {
        let capacity = capacity(3, 1000);
        let inside = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let mut tasks = tokio::task::JoinSet::new();
        for nth in 0..200_u64 {
            let (capacity, inside) = (Arc::clone(&capacity), Arc::clone(&inside));
            tasks.spawn(async move {
                // Every third gives up while it waits.
                let patience = if nth % 3 == 0 { Duration::from_micros(nth) } else { LONG };
                if let Ok(Ok(_place)) = tokio::time::timeout(patience, capacity.enter()).await {
                    assert!(inside.fetch_add(1, Relaxed) < 3);
                    tokio::task::yield_now().await;
                    inside.fetch_sub(1, Relaxed);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.unwrap();
        }
        assert_eq!((capacity.in_flight(), capacity.waiting()), (0, 0));
    }

    type Entering = Pin<Box<dyn Future<Output = Result<Place, Overload>>>>;

    /// The queue by the book, driven beside the real one.
    struct Book {
        capacity: Arc<Capacity>,
        cap: u32,
        queue: u32,
        inside: Vec<Place>,
        /// In the order of their coming.
        waiting: Vec<Entering>,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Come,
        Go(usize),
        GiveUp(usize),
        /// A place goes to the first in the queue, which is cancelled before it sees that.
        GoAndGiveUp(usize),
        Cap(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => Just(Step::Come),
            3 => (0..8_usize).prop_map(Step::Go),
            1 => (0..8_usize).prop_map(Step::GiveUp),
            1 => (0..8_usize).prop_map(Step::GoAndGiveUp),
            1 => (1..5_u32).prop_map(Step::Cap),
        ]
    }

    impl Book {
        fn poll(entering: &mut Entering) -> Poll<Result<Place, Overload>> {
            entering.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        }

        fn go(&mut self, nth: usize) {
            if !self.inside.is_empty() {
                drop(self.inside.swap_remove(nth % self.inside.len()));
            }
        }

        fn take(&mut self, step: Step) {
            match step {
                Step::Come => {
                    let capacity = Arc::clone(&self.capacity);
                    let mut entering: Entering = Box::pin(async move { capacity.enter().await });
                    let (inside, waiting) = (self.inside.len() as u32, self.waiting.len() as u32);
                    match Self::poll(&mut entering) {
                        Poll::Ready(Ok(place)) => {
                            assert!(inside < self.cap);
                            self.inside.push(place);
                        }
                        Poll::Ready(Err(why)) => {
                            assert_eq!((why, waiting >= self.queue), (Overload::QueueFull, true));
                            assert!(inside >= self.cap, "turned away where there was room");
                        }
                        Poll::Pending => {
                            assert!(inside >= self.cap, "waits where there is room");
                            assert!(waiting < self.queue);
                            self.waiting.push(entering);
                        }
                    }
                }
                Step::Go(nth) => self.go(nth),
                Step::GiveUp(nth) if !self.waiting.is_empty() => drop(self.waiting.remove(nth % self.waiting.len())),
                Step::GoAndGiveUp(nth) if !self.waiting.is_empty() => {
                    self.go(nth);
                    drop(self.waiting.remove(0));
                }
                Step::GiveUp(_) | Step::GoAndGiveUp(_) => {}
                Step::Cap(cap) => {
                    self.cap = cap;
                    self.capacity.configure(limits(cap, self.queue));
                }
            }
        }

        /// Whoever has a place now must be the first, and there must be no place that nobody has.
        fn settle(&mut self) {
            let due = (self.cap as usize).saturating_sub(self.inside.len()).min(self.waiting.len());
            for (nth, mut entering) in std::mem::take(&mut self.waiting).into_iter().enumerate() {
                match Self::poll(&mut entering) {
                    Poll::Ready(place) => {
                        assert!(nth < due, "out of turn");
                        self.inside.push(place.unwrap());
                    }
                    Poll::Pending => {
                        assert!(nth >= due, "a wake-up was lost");
                        self.waiting.push(entering);
                    }
                }
            }
            assert_eq!(self.capacity.in_flight() as usize, self.inside.len());
            assert_eq!(self.capacity.waiting(), self.waiting.len());
        }
    }

    proptest! {
        #[test]
        fn the_cap_holds_and_turns_are_kept(
            cap in 1..5_u32,
            queue in 0..6_u32,
            steps in proptest::collection::vec(step(), 1..80),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let _inside = runtime.enter();
            let capacity = capacity(cap, queue);
            let mut book = Book { capacity, cap, queue, inside: Vec::new(), waiting: Vec::new() };
            for step in steps {
                book.take(step);
                book.settle();
            }
        }
    }
}
