//! Owns what a strategy is told of a statement for which it chooses a node: the head of the client's request, with what is
//! known of the statement. Made when it is first wanted: where only one node can be asked, nobody is told anything.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, OnceLock};

use http::{HeaderMap, Method, Uri};

use crate::model::{RequestHead, Statement, StatementClass, Trace};
use crate::sql::parse::Parsed;

/// Who asks, and what.
#[derive(Clone, Debug, Default)]
pub struct Asker {
    head: Option<Arc<RequestHead>>,
    parsed: Option<Arc<Parsed>>,
    /// The shard that it asks of, where that is just one.
    shard: Option<String>,
    told: OnceLock<Arc<RequestHead>>,
    trace: Option<Arc<Trace>>,
}

impl Asker {
    /// A client that reads.
    pub(super) fn client(head: Option<Arc<RequestHead>>, parsed: Arc<Parsed>, shard: Option<String>) -> Self {
        Self { head, parsed: Some(parsed), shard, told: OnceLock::new(), trace: None }
    }

    /// This program by itself.
    pub fn host() -> Self {
        Self::default()
    }

    /// The same, within a trace if there is one.
    pub(in crate::sql) fn within(self, trace: Option<Arc<Trace>>) -> Self {
        Self { trace, ..self }
    }

    /// The trace that it is asked within.
    pub(super) fn trace(&self) -> Option<&Arc<Trace>> {
        self.trace.as_ref()
    }

    /// What a strategy is told.
    pub(super) fn told(&self) -> &Arc<RequestHead> {
        self.told.get_or_init(|| {
            let mut head = self.head.as_deref().cloned().unwrap_or_else(nobody);
            head.statement = self.parsed.as_deref().map(|parsed| Statement {
                class: StatementClass::Read,
                tables: parsed.survey().tables.clone(),
                shard: self.shard.clone(),
                fingerprint: parsed.fingerprint(),
            });
            Arc::new(head)
        })
    }
}

/// The head of no request.
fn nobody() -> RequestHead {
    RequestHead {
        method: Method::POST,
        uri: Uri::from_static("/"),
        headers: HeaderMap::new(),
        host: None,
        client: IpAddr::V4(Ipv4Addr::LOCALHOST),
        statement: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::dialect::Dialect;
    use crate::sql::parse::parse;

    #[test]
    fn a_fingerprint_is_that_of_the_statement_without_its_literals() {
        let told = |sql: &str| {
            let parsed = Arc::new(parse(Dialect::Sqlite, sql).unwrap());
            Asker::client(None, parsed, None).told().statement.clone().unwrap()
        };
        let one = told("SELECT * FROM t WHERE a = 1 AND b = 'x'");
        assert_eq!(one.tables, ["t"]);
        assert_eq!(one.fingerprint, told("SELECT *  FROM t WHERE a = 77 AND b = ?").fingerprint);
        assert_ne!(one.fingerprint, told("SELECT * FROM t WHERE a = 1 AND c = 'x'").fingerprint);
    }
}
