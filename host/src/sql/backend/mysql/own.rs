//! Owns that one session at a time changes a database for an owner. A statement that is lasting at once cannot be kept out by what
//! stands in a table: one that was sent before, and waits in the server for a lock, is done whenever that is free, whoever has
//! taken over meanwhile. So the owner's session has a lock by name, which the server frees when its connection has ended with
//! all that was begun on it; who comes next has that connection killed.

use std::time::Instant;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Error};

use super::link::Link;
use super::stream::Flight;
use crate::sql::backend::{Fault, FaultKind};

/// Names of locks are the server's, and no longer than 64: a database of it may be another node.
const LOCK: &str = "SELECT GET_LOCK(CONCAT('leverframe:', SHA1(CONCAT(DATABASE(), ':', ?))), ?)";
const HOLDER: &str = "SELECT IS_USED_LOCK(CONCAT('leverframe:', SHA1(CONCAT(DATABASE(), ':', ?))))";
/// How many seconds each try waits: whoever has it is killed after the first.
const WAITS: [u32; 3] = [0, 1, 2];
/// There is no such connection (any more).
const NO_CONNECTION: u16 = 1094;

/// As [`Session::own`](crate::sql::backend::Session::own).
pub(super) async fn own(link: &mut Link, owner: &str, due: Instant) -> Result<(), Fault> {
    link.ready(due).await?;
    link.is_owned = true;
    let mut flight = Flight::new(link, due);
    let seizing = seize(flight.link.conn()?, owner);
    match tokio::time::timeout_at(due.into(), seizing).await {
        Err(_) => Err(Fault::late()),
        Ok(Err(error)) => Err(flight.fail(&error)),
        Ok(Ok(is_had)) => {
            flight.land();
            let why = "a session of before was killed, and has not ended yet";
            is_had.then_some(()).ok_or_else(|| Fault::new(FaultKind::Busy, why))
        }
    }
}

/// Whether it has the lock.
async fn seize(conn: &mut Conn, owner: &str) -> Result<bool, Error> {
    for wait in WAITS {
        let is_had: Option<Option<bool>> = conn.exec_first(LOCK, (owner, wait)).await?;
        if is_had.flatten() == Some(true) {
            return Ok(true);
        }
        let holder: Option<Option<u64>> = conn.exec_first(HOLDER, (owner,)).await?;
        let Some(holder) = holder.flatten() else { continue };
        match conn.query_drop(format!("KILL CONNECTION {holder}")).await {
            // It has just ended by itself.
            Err(Error::Server(error)) if error.code == NO_CONNECTION => {}
            killed => killed?,
        }
    }
    Ok(false)
}
