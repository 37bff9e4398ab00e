//! What the suite stands on, as far as it is needed here, and a Pgpool-II.
#![allow(dead_code, reason = "the suite's; a bench needs less of it")]

#[path = "../../../tests/suite/world/account.rs"]
mod account;
#[path = "../../../tests/suite/world/client.rs"]
mod client;
#[path = "pgpool.rs"]
mod pgpool;
#[path = "../../../tests/suite/world/postgres.rs"]
mod postgres;
#[path = "../../../tests/suite/world/wait.rs"]
mod wait;

pub(crate) use client::{Client, fetch};
pub(crate) use pgpool::Pgpool;
pub(crate) use postgres::Postgres;
pub(crate) use wait::eventually;
