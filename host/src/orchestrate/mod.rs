//! The control plane: looks after the registry that several Leverframes follow. It checks every registered backend, writes
//! what changed, publishes what changed, and takes registrations over HTTP. All state is in Redis, so it can be stopped,
//! killed and run twice: whoever has the lease there checks and writes, the others answer the API and stand by.
//!
//! `plan` decides what is to be written (pure), `round` checks, `keeper` holds the lease and makes the rounds, `api` is the
//! HTTP API.

mod api;
mod keeper;
mod plan;
mod round;
mod server;

pub use server::{Orchestrator, Settings, StartError};
