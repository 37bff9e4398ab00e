//! What a demo node is told when it starts: where it listens, what it calls itself, what its work is like.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::sql::DatabaseSettings;
use crate::model::EndpointName;

/// How a node's simulated work goes: that of `/api/v1/hello` and of `/process`, and of no other page.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// How long it takes on average; each time between a half and one and a half of it. `/process` adds it to what its
    /// `ms=` asks for.
    pub average_delay: Duration,
    /// How many of a hundred such requests fail, with 500.
    pub failure_percent: u8,
}

impl Work {
    /// The time that one piece of work takes.
    pub(super) fn delay(&self) -> Duration {
        self.average_delay.mul_f64(0.5 + fastrand::f64())
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSettings {
    /// Where it listens; port 0 takes a free one.
    pub address: SocketAddr,
    /// What it calls itself.
    pub name: EndpointName,
    /// How its simulated work goes.
    pub work: Work,
    /// The SQLite file of the statistics, shared with the other nodes that have the same; none keeps them in memory.
    pub statistics: Option<PathBuf>,
    /// Its database, which it answers SQL from; none leaves it without SQL.
    pub database: Option<DatabaseSettings>,
}

impl NodeSettings {
    /// A node that works at once, never fails, has its statistics to itself, and knows no SQL.
    pub fn new(address: SocketAddr, name: EndpointName) -> Self {
        Self { address, name, work: Work::default(), statistics: None, database: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_takes_the_average_give_or_take_a_half() {
        let work = Work { average_delay: Duration::from_millis(100), failure_percent: 0 };
        let delays: Vec<_> = (0..1000).map(|_| work.delay()).collect();
        assert!(delays.iter().all(|delay| (50..=150).contains(&delay.as_millis())), "{delays:?}");
        let average = delays.iter().sum::<Duration>() / 1000;
        assert!((90..=110).contains(&average.as_millis()), "{average:?}");
        assert_eq!(Work::default().delay(), Duration::ZERO);
    }
}
