//! What is known of one node: its phase, how it passes its checks, what went wrong with it. Pure: the times come in.

use std::time::{Duration, Instant};

use super::status::NodeState;
use crate::model::Address;

/// The first pause after a failure; each further failure doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Between two checks of a node on whose answer something waits: far below what an operator notices.
const SOON: Duration = Duration::from_millis(250);

/// The times that nodes are treated by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Timing {
    /// Between two checks of a node.
    pub(super) check_interval: Duration,
    /// How long a check may take.
    pub(super) check_timeout: Duration,
    /// How long a node that is dead or unsound is left before it is replaced.
    pub(super) replace_after: Duration,
    /// How long a node that goes may finish what it has.
    pub(super) drain_timeout: Duration,
}

/// How a node passes its checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Soundness {
    /// It passed none yet.
    New,
    /// It passed the last one.
    Sound,
    /// It passed one, but not those since.
    Unsound {
        /// When it first failed.
        since: Instant,
    },
}

/// Why a node goes, and since when it takes nothing new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Going {
    /// It is not desired.
    Unwanted(Instant),
    /// It does not pass its checks.
    Unsound(Instant),
}

/// A node that runs.
#[derive(Clone, Debug)]
pub(super) struct Up {
    /// Tells one life of a node from the next.
    pub(super) life: u64,
    pub(super) address: Option<Address>,
    pub(super) since: Instant,
    pub(super) soundness: Soundness,
    /// It may have traffic.
    pub(super) is_admitted: bool,
    pub(super) going: Option<Going>,
    pub(super) is_probed: bool,
    /// When a check of it failed last.
    pub(super) failed_at: Option<Instant>,
    pub(super) next_probe: Instant,
}

/// Where a node is between not there and there.
#[derive(Clone, Debug)]
pub(super) enum Phase {
    /// It does not run; perhaps something is left of it.
    Down {
        /// The driver still lists it.
        is_listed: bool,
    },
    /// The driver starts it.
    Starting,
    /// It runs.
    Up(Up),
    /// The driver stops it.
    Stopping,
}

/// What is known of one node.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) phase: Phase,
    /// How often in a row it came to nothing: not started, or ended or replaced before it passed a check.
    pub(super) failures: u32,
    /// Before this the driver is told nothing of it.
    pub(super) not_before: Instant,
    /// It is replaced for being unsound, and what comes in its place has passed no check yet.
    pub(super) is_renewed: bool,
    pub(super) trouble: Option<String>,
}

impl Up {
    pub(super) fn new(life: u64, address: Option<Address>, now: Instant) -> Self {
        Self {
            life,
            address,
            since: now,
            soundness: Soundness::New,
            is_admitted: false,
            going: None,
            is_probed: false,
            failed_at: None,
            next_probe: now,
        }
    }
}

impl Record {
    pub(super) fn down(is_listed: bool, not_before: Instant) -> Self {
        Self { phase: Phase::Down { is_listed }, failures: 0, not_before, is_renewed: false, trouble: None }
    }

    pub(super) fn up(&self) -> Option<&Up> {
        match &self.phase {
            Phase::Up(up) => Some(up),
            Phase::Down { .. } | Phase::Starting | Phase::Stopping => None,
        }
    }

    pub(super) fn up_mut(&mut self) -> Option<&mut Up> {
        match &mut self.phase {
            Phase::Up(up) => Some(up),
            Phase::Down { .. } | Phase::Starting | Phase::Stopping => None,
        }
    }

    /// Something about it came to nothing.
    pub(super) fn fails(&mut self, why: String) {
        self.failures = self.failures.saturating_add(1);
        self.trouble = Some(why);
    }

    /// The pause that its failures ask for: none without one.
    pub(super) fn pause(&self) -> Duration {
        match self.failures.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(doublings)).min(LONGEST_PAUSE),
        }
    }

    /// When one that runs is to be replaced, if it goes on as it does. A new one has the time of a check interval to come
    /// up, and more each time that was not enough.
    pub(super) fn replace_at(&self, timing: &Timing) -> Option<Instant> {
        let up = self.up()?;
        match up.soundness {
            Soundness::New => Some(up.since + timing.check_interval.max(timing.replace_after) + self.pause()),
            Soundness::Unsound { since } => Some(since + timing.replace_after),
            Soundness::Sound => None,
        }
    }

    /// Its time is over, and a check since then has said so once more.
    pub(super) fn is_to_be_replaced(&self, timing: &Timing) -> bool {
        let failed_at = self.up().and_then(|up| up.failed_at);
        matches!((self.replace_at(timing), failed_at), (Some(due), Some(failed_at)) if failed_at >= due)
    }

    /// Takes in what a check said.
    pub(super) fn probed(&mut self, result: Result<(), String>, timing: &Timing, now: Instant) {
        let Some(up) = self.up_mut() else { return };
        up.is_probed = false;
        match result {
            Ok(()) => {
                (up.soundness, up.is_admitted, up.failed_at) = (Soundness::Sound, true, None);
                up.next_probe = now + timing.check_interval;
                (self.failures, self.is_renewed, self.trouble) = (0, false, None);
            }
            Err(why) => {
                if up.soundness == Soundness::Sound {
                    up.soundness = Soundness::Unsound { since: now };
                }
                up.failed_at = Some(now);
                let soon = now + SOON;
                let next = match (up.soundness, self.replace_at(timing)) {
                    (Soundness::Unsound { .. }, Some(due)) if now < due => due.min(now + timing.check_interval),
                    (_, Some(due)) if now < due => due.min(soon),
                    _ => soon,
                };
                self.trouble = Some(why);
                if let Some(up) = self.up_mut() {
                    up.next_probe = next;
                }
            }
        }
    }

    /// As operators see it.
    pub(super) fn state(&self, is_desired: bool) -> NodeState {
        let renewing = if self.is_renewed { NodeState::Replacing } else { NodeState::Starting };
        match &self.phase {
            _ if !is_desired => NodeState::Draining,
            Phase::Down { .. } if self.trouble.is_some() && !self.is_renewed => NodeState::Failed,
            Phase::Down { .. } | Phase::Starting => renewing,
            Phase::Stopping => NodeState::Replacing,
            Phase::Up(Up { going: Some(_), .. }) => NodeState::Replacing,
            Phase::Up(up) => match up.soundness {
                Soundness::Sound => NodeState::Running,
                Soundness::New if !up.is_admitted => renewing,
                Soundness::New | Soundness::Unsound { .. } => NodeState::Unhealthy,
            },
        }
    }
}
