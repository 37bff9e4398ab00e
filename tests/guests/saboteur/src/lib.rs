//! Saboteur: a routing strategy that breaks the rules as its configuration says, and takes the endpoints in turn until
//! then. It is built for the tests alone and is part of no binary.
//!
//! Every fault is one that a real plugin has by mistake: a panic, a loop without an end, a leak, an answer that the
//! contract rules out.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "doing harm is what this guest is for"
)]

mod fault;

use leverframe_sdk::host::Request;
use leverframe_sdk::rotation::Rotation;
use leverframe_sdk::{Candidates, Choice, Endpoint, Outcome, RoutingHost, RoutingStrategy, Wants};

use crate::fault::{Config, Fault, When};

/// The strategy.
#[derive(Debug)]
pub struct Saboteur {
    config: Config,
    picks: u32,
    rotation: Rotation,
}

impl RoutingStrategy for Saboteur {
    type Config = Config;

    fn new(config: Config) -> Result<Self, String> {
        let config = config.or_preset()?;
        if config.when == When::Configure {
            fault::commit(config.fault, &[]);
        }
        if config.fault == Fault::RefuseConfig {
            return Err("this configuration is not to my liking".to_owned());
        }
        Ok(Self { config, picks: 0, rotation: Rotation::default() })
    }

    fn pick(&mut self, host: &impl RoutingHost, candidates: Candidates<'_>) -> Choice {
        self.picks += 1;
        // The host tries every version out on a made-up request; that one is let through, so that the fault meets traffic.
        let trial = host.request().host().as_deref() == Some("trial.example");
        let due = self.config.when == When::Pick && self.picks > self.config.after;
        if due
            && (!trial || self.config.in_trial)
            && let Some(choice) = fault::commit(self.config.fault, candidates.all())
        {
            return choice;
        }
        self.rotation.turn(candidates.excluded()).into()
    }

    fn wants(&self) -> Wants {
        if self.config.when == When::Outcome { Wants::OUTCOMES } else { Wants::empty() }
    }

    fn candidates_changed(&mut self, _host: &impl RoutingHost, candidates: &[Endpoint]) {
        let trial = candidates.iter().any(|candidate| candidate.name.starts_with("trial-"));
        if self.config.when == When::Candidates && !trial {
            fault::commit(self.config.fault, candidates);
        }
        self.rotation.replace(candidates);
    }

    fn on_outcome(&mut self, _host: &impl RoutingHost, _outcome: &Outcome) {
        if self.config.when == When::Outcome {
            fault::commit(self.config.fault, &[]);
        }
    }

    fn export_state(&self) -> Vec<u8> {
        if self.config.when == When::Export {
            fault::commit(self.config.fault, &[]);
        }
        self.rotation.last().map(|last| last.to_string().into_bytes()).unwrap_or_default()
    }

    fn import_state(&mut self, from_version: &str, bytes: &[u8]) -> Result<(), String> {
        if self.config.when == When::Import {
            fault::commit(self.config.fault, &[]);
        }
        match self.config.fault {
            Fault::RefuseState => Err(format!("cannot go on from {} bytes of version {from_version}", bytes.len())),
            _ => Ok(()),
        }
    }
}

leverframe_sdk::export!(strategy: Saboteur);
