//! Owns what an error of the driver means to the entry.

use std::time::Instant;

use mysql_async::{DriverError, Error};

use crate::sql::backend::{Fault, FaultKind};

/// Codes of the servers' manuals: numbers out of range; a time limit or a kill; the end of the connection; what the server
/// lacks (disk, memory, connections, threads) or has broken (files, tables).
const OVERFLOW: [u16; 2] = [1690, 1264];
/// Locks that are held too long, deadlocks, and a row that changed since the transaction began.
const CONFLICTS: [u16; 5] = [1205, 1206, 1213, 1020, 3572];
const INTERRUPTED: [u16; 3] = [3024, 1969, 1317];
const ENDED: [u16; 4] = [1053, 1077, 1927, 4031];
/// 1114, "the table is full", is what InnoDB says of a full disk.
const SERVERS: [u16; 19] =
    [3, 1021, 1023, 1024, 1026, 1030, 1034, 1035, 1037, 1038, 1040, 1041, 1114, 1129, 1135, 1180, 1194, 1195, 1203];

/// A connection could not be made.
pub(super) fn connecting(node: &str, error: &Error) -> Fault {
    Fault::new(FaultKind::Connect, format!("{node}: {}", said(error)))
}

/// A statement was not done.
pub(super) fn statement(error: &Error, due: Instant) -> Fault {
    let kind = match error {
        Error::Server(server) if OVERFLOW.contains(&server.code) => FaultKind::Overflow,
        Error::Server(server) if CONFLICTS.contains(&server.code) => FaultKind::Conflict,
        Error::Server(server) if INTERRUPTED.contains(&server.code) && Instant::now() >= due => FaultKind::TimedOut,
        // Somebody, or the server's own limit, has stopped it; that is no word on the statement.
        Error::Server(server) if INTERRUPTED.contains(&server.code) => FaultKind::Conflict,
        Error::Server(server) if ENDED.contains(&server.code) => FaultKind::Lost,
        Error::Server(server) if SERVERS.contains(&server.code) => FaultKind::Failed,
        Error::Server(_) => FaultKind::Statement,
        // What the driver refuses by itself was not sent.
        Error::Driver(
            DriverError::StmtParamsMismatch { .. }
            | DriverError::StmtParamsNumberExceedsLimit { .. }
            | DriverError::Params(_)
            | DriverError::MixedParams
            | DriverError::PacketTooLarge,
        ) => FaultKind::Statement,
        _ => FaultKind::Lost,
    };
    Fault::new(kind, said(error))
}

fn said(error: &Error) -> String {
    let text = match error {
        Error::Server(server) => format!("{} (error {}, SQLSTATE {})", server.message, server.code, server.state),
        other => other.to_string(),
    };
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mysql_async::ServerError;

    use super::*;

    #[test]
    fn what_the_server_lacks_is_not_the_statements_fault() {
        let kind = |code| {
            let error = ServerError { code, message: "why".to_owned(), state: "HY000".to_owned() };
            statement(&Error::Server(error), Instant::now() + Duration::from_secs(1)).kind
        };
        for code in [1021, 1037, 1040, 1041, 1114] {
            assert_eq!(kind(code), FaultKind::Failed, "{code}");
        }
        // A lock that is held too long and a deadlock are between statements.
        // So is being stopped by somebody before its time.
        for code in [1205, 1213, 1317, 1969, 3024] {
            assert_eq!(kind(code), FaultKind::Conflict, "{code}");
        }
        for code in [1062, 1064, 1290] {
            assert_eq!(kind(code), FaultKind::Statement, "{code}");
        }
        assert_eq!(kind(1053), FaultKind::Lost);
    }
}
