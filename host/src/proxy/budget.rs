//! How many retries a cluster may have at a time, over all workers. A retry takes its turn before it waits for its
//! back-off, and gives it back when its response begins. When there is no turn, retries queue for one, first come first
//! served: a storm of failures is paced, and still nobody sees it. Knows nothing of requests; how many turns there are
//! is said anew each time.

use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::timeout;

use super::line::Line;
use crate::config;

/// The number of turns grows with the traffic, of which nobody tells: whoever is next looks again after this time.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// The turns of a cluster.
#[derive(Debug, Default)]
pub(super) struct RetryBudget {
    taken: AtomicU32,
    line: Line,
}

/// A retry's turn; given back on drop.
#[derive(Debug)]
#[must_use]
pub(super) struct Turn<'a>(&'a RetryBudget);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Relaxed);
        self.0.line.free();
    }
}

/// How many turns there are while so many requests are under way.
pub(super) fn allowed(budget: config::RetryBudget, under_way: u32) -> u32 {
    let share = u64::from(under_way) * u64::from(budget.percent) / 100;
    u32::try_from(share).unwrap_or(u32::MAX).max(budget.floor)
}

impl RetryBudget {
    /// Those that wait for a turn: requests under way that no endpoint has.
    pub(super) fn waiting(&self) -> u32 {
        self.line.waiting()
    }

    /// A turn, if fewer than so many are taken.
    pub(super) fn try_take(&self, allowed: u32) -> Option<Turn<'_>> {
        let one_more = |taken: u32| (taken < allowed).then_some(taken + 1);
        self.taken.fetch_update(Relaxed, Relaxed, one_more).ok().map(|_| Turn(self))
    }

    /// A turn as soon as there is one; none when that takes too long.
    pub(super) async fn take(&self, allowed: impl Fn() -> u32, patience: Duration) -> Option<Turn<'_>> {
        let waiting = self.line.enter(u32::MAX)?;
        timeout(patience, waiting.served(LOOK_AGAIN, || self.try_take(allowed()))).await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tokio::time::sleep;

    use super::*;

    #[derive(Clone, Debug)]
    struct Retry {
        comes: u64,
        backs_off: u64,
        takes: u64,
        leaves: Option<u64>,
    }

    /// Counts the turns from outside.
    struct Held<'a>(&'a AtomicU32);

    impl<'a> Held<'a> {
        fn one_more(count: &'a AtomicU32) -> Self {
            count.fetch_add(1, Relaxed);
            Self(count)
        }
    }

    impl Drop for Held<'_> {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Relaxed);
        }
    }

    fn retry() -> impl Strategy<Value = Retry> {
        (0..200_u64, 0..100_u64, 0..100_u64, proptest::option::of(0..300_u64))
            .prop_map(|(comes, backs_off, takes, leaves)| Retry { comes, backs_off, takes, leaves })
    }

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    proptest! {
        #[test]
        fn never_more_than_allowed_and_none_is_lost(retries in prop::collection::vec(retry(), 1..60), most in 0_u32..6) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let (budget, held) = (Arc::new(RetryBudget::default()), Arc::new(AtomicU32::new(0)));
            let served = runtime.block_on(async {
                let mut tasks = tokio::task::JoinSet::new();
                for Retry { comes, backs_off, takes, leaves } in retries {
                    let (budget, held) = (Arc::clone(&budget), Arc::clone(&held));
                    tasks.spawn(async move {
                        sleep(ms(comes)).await;
                        let retried = async {
                            let Some(_turn) = budget.take(|| most, ms(250)).await else { return };
                            // The back-off is part of the turn.
                            let _held = Held::one_more(&held);
                            assert!(held.load(Relaxed) <= most);
                            sleep(ms(backs_off)).await;
                            sleep(ms(takes)).await;
                        };
                        // A client that goes gives up wherever its request is.
                        match leaves {
                            Some(after) => drop(timeout(ms(after), retried).await),
                            None => retried.await,
                        }
                    });
                }
                tasks.join_all().await
            });
            prop_assert!(!served.is_empty());
            prop_assert_eq!((budget.taken.load(Relaxed), budget.waiting()), (0, 0));
            prop_assert_eq!(budget.try_take(most).is_some(), most > 0);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_storm_is_paced_and_all_get_their_turn() {
        let budget = Arc::new(RetryBudget::default());
        let mut tasks = tokio::task::JoinSet::new();
        for nth in 0..64_u32 {
            let budget = Arc::clone(&budget);
            tasks.spawn(async move {
                let turn = budget.take(|| 10, ms(250)).await;
                assert!(turn.is_some(), "{nth}");
                sleep(ms(5)).await;
            });
        }
        tasks.join_all().await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_too_long_gives_up() {
        let budget = RetryBudget::default();
        let _turn = budget.try_take(1).unwrap();
        assert!(budget.take(|| 1, ms(250)).await.is_none());
    }

    #[test]
    fn the_share_counts_where_it_is_more_than_the_floor() {
        let budget = config::RetryBudget { percent: 20, floor: 10 };
        assert_eq!([0, 50, 55, 1000, u32::MAX].map(|n| allowed(budget, n)), [10, 10, 11, 200, u32::MAX / 5]);
    }
}
