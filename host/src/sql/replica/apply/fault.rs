//! Owns whose failure a failure is: the statement's, which all nodes share, or the node's, which is waited out.

use crate::sql::backend::{Fault, FaultKind};

/// What is to be done about a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Blame {
    /// The statement is refused, here and, if nodes are alike, everywhere.
    Statement,
    /// Something else was in its way for the moment: the same again, on the same session.
    Moment,
    /// The node took too long.
    Slow,
    /// The node.
    Node,
}

/// Whose failure it is.
pub(super) fn blame(fault: &Fault) -> Blame {
    match fault.kind {
        FaultKind::Statement | FaultKind::Overflow | FaultKind::Unsupported => Blame::Statement,
        FaultKind::Conflict => Blame::Moment,
        FaultKind::TimedOut => Blame::Slow,
        FaultKind::Connect | FaultKind::Busy | FaultKind::Lost | FaultKind::Failed | FaultKind::TooLarge => Blame::Node,
    }
}

/// The class of a refused statement, for people and programs: the server's code where it has told one. Nothing is decided by it.
pub(super) fn class(fault: &Fault) -> String {
    let coded = fault.message.rfind("SQLSTATE ").and_then(|at| fault.message.get(at + 9..at + 14));
    match (fault.kind, coded) {
        (FaultKind::Overflow, _) => "overflow".to_owned(),
        (FaultKind::Unsupported, _) => "unsupported".to_owned(),
        (_, Some(code)) if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => code.to_owned(),
        (_, _) if fault.message.contains("constraint failed") => "constraint".to_owned(),
        _ => "statement".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_is_the_servers_code_where_there_is_one() {
        let class = |text: &str| class(&Fault::new(FaultKind::Statement, text));
        assert_eq!(class("duplicate key (SQLSTATE 23505): Key (id)=(1) exists"), "23505");
        assert_eq!(class("Duplicate entry (error 1062, SQLSTATE 23000)"), "23000");
        assert_eq!(class("UNIQUE constraint failed: t.id"), "constraint");
        assert_eq!(class("no such table: t"), "statement");
    }
}
