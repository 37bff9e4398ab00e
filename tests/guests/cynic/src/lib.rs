//! Cynic: a health policy that breaks the rules as its configuration says, and finds every endpoint degraded until then.
//! It is built for the tests alone and is part of no binary.
//!
//! Every fault is one that a real plugin has by mistake: a panic, a loop without an end, a leak, an answer that the
//! contract rules out.
#![allow(clippy::panic, reason = "doing harm is what this guest is for")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use leverframe_sdk::{Endpoint, HealthPolicy, HealthState, Observations, PolicyHost, Verdict};
use serde::Deserialize;

/// Followed by a configuration that holds when the host gives none: blank here, and written over in the finished file by
/// the tests, to make a version that is bad under every configuration.
const MARK: &str = "cynic preset:";
static PRESET: &str = concat!(
    "cynic preset:",
    "                                                                                                                ",
);

/// What is asked for.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What to do.
    fault: Fault,
    /// So many judgements of an instance are sound.
    after: u32,
    /// Whether the host's dry run meets the fault as well.
    in_trial: bool,
}

/// How it goes wrong.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Fault {
    /// Not at all.
    #[default]
    None,
    /// A panic, with a message.
    Panic,
    /// A loop without an end.
    Loop,
    /// Takes a good half of the time that one call may take, each time.
    Slow,
    /// Takes all the memory that there is, at once.
    Grow,
    /// Keeps a mebibyte of each call.
    Leak,
    /// A score that is no number.
    NanScore,
    /// More than the whole of a weight.
    HeavyWeight,
    /// A reason of many lines.
    LongReason,
    /// Does not take its configuration.
    RefuseConfig,
    /// Does not take the state of the version before.
    RefuseState,
    /// Fails over the state of the version before.
    PanicOverState,
}

/// The policy.
#[derive(Debug)]
pub struct Cynic {
    config: Config,
    judged: u32,
}

impl HealthPolicy for Cynic {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        // The optimiser must not see that it is blank.
        let preset = black_box(PRESET).trim_start_matches(MARK).trim();
        let config = match preset.is_empty() || config != Config::default() {
            true => config,
            false => serde_json::from_str(preset).map_err(|error| error.to_string())?,
        };
        match config.fault {
            Fault::RefuseConfig => Err("this configuration is not to my liking".to_owned()),
            _ => Ok(Self { config, judged: 0 }),
        }
    }

    fn judge(&mut self, _: &impl PolicyHost, endpoint: &Endpoint, _: &Observations, before: Verdict) -> Verdict {
        // The host tries every version out on made-up endpoints; those are let through, so that the fault meets real ones.
        let trial = endpoint.name.starts_with("trial-");
        self.judged += 1;
        let reason = format!("judged {} times", self.judged);
        let own = Verdict { state: HealthState::Degraded, score: 0.5, effective_weight: 1.0, reason };
        let own = before.worst_of(own);
        match self.judged > self.config.after && (!trial || self.config.in_trial) {
            true => commit(self.config.fault, own),
            false => own,
        }
    }

    fn export_state(&self) -> Vec<u8> {
        self.judged.to_le_bytes().to_vec()
    }

    fn import_state(&mut self, from_version: &str, bytes: &[u8]) -> Result<(), String> {
        match self.config.fault {
            Fault::RefuseState => Err(format!("cannot go on from {} bytes of version {from_version}", bytes.len())),
            Fault::PanicOverState => panic!("sabotage on purpose"),
            _ => {
                self.judged = bytes.try_into().map(u32::from_le_bytes).map_err(|_| "not four bytes".to_owned())?;
                Ok(())
            }
        }
    }
}

/// Does it. Comes back with the verdict when that is the fault, or when the call goes on as if all were well.
fn commit(fault: Fault, sound: Verdict) -> Verdict {
    match fault {
        Fault::Panic => panic!("sabotage on purpose"),
        Fault::Loop => spin(),
        Fault::Slow => dawdle(),
        Fault::Grow => loop {
            leak();
        },
        Fault::Leak => leak(),
        Fault::NanScore => return Verdict { score: f32::NAN, ..sound },
        Fault::HeavyWeight => return Verdict { effective_weight: 1.5, ..sound },
        Fault::LongReason => return Verdict { reason: format!("{}\nforged", "x".repeat(100_000)), ..sound },
        Fault::None | Fault::RefuseConfig | Fault::RefuseState | Fault::PanicOverState => {}
    }
    sound
}

fn spin() {
    let mut turns = 0u64;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

fn dawdle() {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(60) {
        black_box(());
    }
}

fn leak() {
    // Allocated and forgotten, not written: growing a memory is quick, so that it is the limit that is met first.
    black_box(Vec::<u8>::with_capacity(1 << 20)).leak();
}

leverframe_sdk::export!(policy: Cynic);
