//! Owns what happens in a run, all of it from its seed: which databases, which faults, when, to whom, and when a write counts as
//! done. Pure.

use std::time::Duration;

use fastrand::Rng;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fault {
    /// Nobody listens at a node.
    ConnectRefused,
    /// A node takes connections and says nothing. A file is held by somebody else.
    ConnectHang,
    /// A node is killed before it gets what the proxy sends.
    KillBeforeSend,
    /// It is killed when it has it.
    KillAfterSend,
    /// It is killed when it has made it lasting, and nobody has heard that.
    KillAfterCommit,
    /// Its answer is cut in the middle.
    ReplyCut,
    /// It takes ten times as long.
    Slow,
    /// It refuses what the others do, or does something else.
    ErrorOnOne,
    /// The proxy is killed when a client has begun to ask.
    ProxyKilledAsked,
    /// When it has written to the log: what it wrote may not be on the disk yet.
    ProxyKilledAppended,
    /// When it has what it wrote on the disk, and begins to apply it.
    ProxyKilledDurable,
    /// When a node has it, and the proxy does not know.
    ProxyKilledApplied,
    /// When a client was just told.
    ProxyKilledAcknowledged,
    /// At any moment.
    ProxyKilled,
    /// In the middle of writing to the log.
    TornRecord,
    /// The disk of the log is full.
    DiskFull,
    /// The disk of a node is full.
    NodeDiskFull,
    /// A node comes back while much is written.
    Revived,
    /// A node comes and goes.
    Flapping,
    /// The next is killed when the first comes back.
    TwoInTurn,
    /// All nodes are killed.
    AllDown,
}

use Fault::*;

impl Fault {
    pub(super) const ALL: [Self; 21] = [
        KillAfterCommit,
        ProxyKilledApplied,
        KillAfterSend,
        ReplyCut,
        KillBeforeSend,
        ConnectHang,
        ProxyKilledDurable,
        ConnectRefused,
        Slow,
        NodeDiskFull,
        TwoInTurn,
        ErrorOnOne,
        AllDown,
        Flapping,
        Revived,
        ProxyKilledAppended,
        TornRecord,
        DiskFull,
        ProxyKilledAsked,
        ProxyKilledAcknowledged,
        ProxyKilled,
    ];

    /// Those that nodes of a kind can have: a file is in the proxy itself, with nothing between that could be cut, and servers
    /// share the disk of their tests.
    fn of(kind: Kind) -> Vec<Self> {
        let is_possible = |fault: &Self| match kind {
            Kind::Http => true,
            Kind::Postgres | Kind::MariaDb => *fault != NodeDiskFull,
            Kind::Sqlite => !matches!(fault, KillBeforeSend | KillAfterSend | KillAfterCommit | ReplyCut),
        };
        let mut faults: Vec<Self> = Self::ALL.into_iter().filter(is_possible).collect();
        // Each kind begins where the others are late to come.
        let (kinds, nth) = (4, kind as usize);
        let from = faults.len() * nth / kinds;
        faults.rotate_left(from);
        faults
    }

    /// Whether it may come together with a node that is not as the others: who is right is then not told by where the error was.
    fn is_harmless(self) -> bool {
        self == Slow
    }
}

/// Databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Http,
    MariaDb,
    Postgres,
    Sqlite,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Http, Self::MariaDb, Self::Postgres, Self::Sqlite];

    /// Servers take longer, so that there are fewer of them.
    fn of(seed: u64) -> Self {
        match seed % 10 {
            3 => Self::Postgres,
            7 => Self::MariaDb,
            1 | 4 | 9 => Self::Sqlite,
            _ => Self::Http,
        }
    }
}

/// One fault of a run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Strike {
    pub(super) fault: Fault,
    /// The node, and another one.
    pub(super) node: usize,
    pub(super) other: usize,
    /// When it begins, and how long it lasts.
    pub(super) after: Duration,
    pub(super) lasts: Duration,
    /// What is left to chance in it.
    pub(super) chance: u64,
}

/// A run.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) kind: Kind,
    pub(super) nodes: usize,
    pub(super) acknowledge: &'static str,
    /// How long a statement may take on a node, as the configuration has it.
    pub(super) apply_timeout: &'static str,
    pub(super) clients: i64,
    pub(super) strikes: Vec<Strike>,
}

impl Plan {
    pub(super) fn of(seed: u64) -> Self {
        let mut chance = Rng::with_seed(seed);
        let kind = Kind::of(seed);
        let nodes = if matches!(kind, Kind::Http | Kind::Sqlite) && chance.u8(..4) == 0 { 4 } else { 3 };
        let possible = Fault::of(kind);
        // Each has its turn: so many runs of this kind were before this one.
        let turn = (0..seed).filter(|seed| Kind::of(*seed) == kind).count();
        let first = possible[turn % possible.len()];
        let mut faults = vec![first];
        for _ in 0..chance.usize(2..4) {
            let another = possible[chance.usize(..possible.len())];
            let is_alone = |fault: Fault| fault == ErrorOnOne;
            let fits = match faults.iter().any(|fault| is_alone(*fault)) {
                true => another.is_harmless(),
                false => !is_alone(another) || faults.iter().all(|fault| fault.is_harmless()),
            };
            if fits && !faults.contains(&another) {
                faults.push(another);
            }
        }
        let base = chance.usize(..nodes);
        let strike = |(fault, nth): (Fault, usize)| Strike {
            fault,
            node: (base + nth) % nodes,
            other: (base + nth + 1) % nodes,
            after: Duration::from_millis(200 + chance.u64(..900)),
            lasts: Duration::from_millis(200 + chance.u64(..1300)),
            chance: chance.u64(..),
        };
        // Only where all are heard, by one process, is it certain that the odd one is found: where fewer are enough it may be
        // among them, and another proxy does not know what the one before it has heard.
        let policies = if faults.contains(&ErrorOnOne) { 1 } else { 3 };
        let strikes = faults.into_iter().zip(0..).map(strike).collect();
        Self {
            seed,
            kind,
            nodes,
            acknowledge: ["all_up", "majority", "one"][chance.usize(..policies)],
            apply_timeout: ["1s", "10s"][chance.usize(..2)],
            clients: chance.i64(3..7),
            strikes,
        }
    }
}

#[test]
fn every_fault_is_planned_in_the_usual_runs_and_a_seed_says_all() {
    let planned: Vec<Fault> = (0..super::USUAL).flat_map(|seed| Plan::of(seed).strikes).map(|one| one.fault).collect();
    for fault in Fault::ALL {
        let times = planned.iter().filter(|planned| **planned == fault).count();
        assert!(times > 0, "{fault:?}");
    }
    for seed in 0..super::USUAL {
        assert_eq!(format!("{:?}", Plan::of(seed)), format!("{:?}", Plan::of(seed)));
    }
}
