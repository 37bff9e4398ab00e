//! What the answers come to: loads, their mean and deviation, and which keys moved. Pure; a key is known by its place in
//! the list, a server by its number from 0.

/// How requests were spread.
pub(super) struct Spread {
    loads: Vec<usize>,
}

impl Spread {
    /// Counts who answered.
    pub(super) fn of(answered: &[usize], servers: usize) -> Self {
        let mut loads = vec![0; servers];
        answered.iter().for_each(|server| loads[*server] += 1);
        Self { loads }
    }

    pub(super) fn servers(&self) -> usize {
        self.loads.len()
    }

    pub(super) fn loads(&self) -> &[usize] {
        &self.loads
    }

    pub(super) fn load(&self, server: usize) -> usize {
        self.loads[server]
    }

    pub(super) fn mean(&self) -> f64 {
        self.loads.iter().sum::<usize>() as f64 / self.loads.len() as f64
    }

    /// The standard deviation in requests; over N and not N - 1, since these are all the servers and no sample of them.
    pub(super) fn deviation(&self) -> f64 {
        let mean = self.mean();
        let squares = self.loads.iter().map(|load| (*load as f64 - mean).powi(2)).sum::<f64>();
        (squares / self.loads.len() as f64).sqrt()
    }

    /// The deviation as a share of the mean; 0 is an even spread.
    pub(super) fn variation(&self) -> f64 {
        self.deviation() / self.mean()
    }

    pub(super) fn most(&self) -> usize {
        self.loads.iter().copied().max().unwrap_or(0)
    }

    pub(super) fn least(&self) -> usize {
        self.loads.iter().copied().min().unwrap_or(0)
    }

    /// The first of those that have most.
    pub(super) fn most_loaded(&self) -> usize {
        self.loads.iter().position(|load| *load == self.most()).unwrap_or(0)
    }
}

/// Keys that are elsewhere since a server left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moved {
    /// Out of so many.
    pub(super) keys: usize,
    /// Those that the one had: they must move.
    pub(super) of_the_gone: usize,
    /// Those of servers that stayed.
    pub(super) without_need: usize,
}

impl Moved {
    pub(super) fn between(before: &[usize], after: &[usize], gone: usize) -> Self {
        let moved = || before.iter().zip(after).filter(|(before, after)| before != after);
        let of_the_gone = moved().filter(|(before, _)| **before == gone).count();
        Self { keys: before.len(), of_the_gone, without_need: moved().count() - of_the_gone }
    }

    pub(super) fn total(self) -> usize {
        self.of_the_gone + self.without_need
    }

    /// The ideal is 1/N.
    pub(super) fn share(self) -> f64 {
        self.total() as f64 / self.keys as f64
    }
}

/// What was measured with one number of servers.
pub(super) struct Figures {
    pub(super) spread: Spread,
    pub(super) moved: Moved,
}

impl Figures {
    pub(super) fn servers(&self) -> usize {
        self.spread.servers()
    }
}

#[test]
fn mean_and_deviation_are_as_by_hand() {
    let spread = Spread::of(&[0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 2], 3);
    assert_eq!((spread.loads(), spread.most(), spread.least(), spread.most_loaded()), (&[6, 3, 3][..], 6, 3, 0));
    // (2² + 1² + 1²) / 3 is 2.
    assert_eq!((spread.mean(), spread.deviation()), (4.0, 2.0_f64.sqrt()));
    assert_eq!(Spread::of(&[0, 1], 2).variation(), 0.0);
}

#[test]
fn keys_that_move_are_told_apart_by_whose_they_were() {
    let moved = Moved::between(&[0, 0, 1, 1, 2, 2], &[1, 2, 1, 2, 2, 2], 0);
    assert_eq!(moved, Moved { keys: 6, of_the_gone: 2, without_need: 1 });
    assert_eq!((moved.total(), moved.share()), (3, 0.5));
}
