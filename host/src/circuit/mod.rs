//! The circuit breaker: stops sending requests to an endpoint that fails, and tries it again after a while. One circuit
//! for each endpoint, shared by all workers and all protocols. What counts as a failure is the callers' to say.
//!
//! `Breaker` is the state machine: pure, with `now` passed in. A [`Gate`] puts one behind a lock, with atomics in front
//! for the state that nearly all requests meet. [`Circuits`] are those of a cluster.

mod breaker;
mod circuits;
mod gate;
mod window;

#[cfg(test)]
mod tests;

pub use circuits::Circuits;
pub use gate::{Gate, Permit};
