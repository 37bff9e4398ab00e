//! The suite: what the program promises, tested from outside, in one binary so that it is linked once. Each module is
//! one promise; each test owns its world: ports, folders, servers, clock.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails; clippy sees the helpers of tests as ordinary code"
)]

mod access_log;
mod admin;
mod conformance;
mod console;
mod console_data;
mod containers;
mod discovery;
mod distribution;
mod examples;
mod faults;
mod layers;
mod lifecycle;
mod metrics;
mod misbehaviour;
mod orchestrate;
mod programs;
mod readme;
mod scaling;
mod sql;
mod steering;
mod swap;
mod top;
mod traces;
mod under_load;
mod worker_pool;
mod world;
