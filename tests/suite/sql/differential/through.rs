//! A statement through the entry: over shards, as the product carries it out.

use std::sync::Arc;

use futures_util::TryStreamExt;
use leverframe::model::Address;
use leverframe::sql::backend::{Backend, Fault, FaultKind};
use leverframe::sql::error::Error;
use leverframe::sql::run::{self, Entry, Query, Rows};
use leverframe::sql::topology::Topology;
use leverframe::sql::value::{Column, Row, Value};

use super::compare::Answer;
use super::config;
use super::schema::Schema;

/// What the entry said.
pub(super) enum Told {
    Answer { answer: Answer, tier: &'static str, why: String },
    Refused(String),
    Failed { overflow: bool, message: String },
}

/// Shards behind one entry.
pub(super) struct Spread {
    entry: Arc<Entry>,
}

impl Spread {
    pub(super) async fn new(
        schema: &Schema,
        topology: Topology,
        (backend, nodes): (Arc<dyn Backend>, Vec<Address>),
    ) -> Self {
        let entry = config::entry(schema, backend, &nodes);
        let nodes = entry.nodes().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(*nodes.layout().topology, topology, "the configuration says what the rows were placed by");
        Self { entry }
    }

    /// What would be done, for people.
    pub(super) async fn explain(&self, sql: &str, params: &[Value]) -> String {
        let query = Query { sql: sql.to_owned(), params: params.to_vec(), explain: true, ..Query::default() };
        match self.entry.answer(query).await {
            Ok(run::Answer::Explained(explanation)) => format!("{explanation:#?}"),
            Ok(other) => format!("{other:?}"),
            Err(error) => error.to_string(),
        }
    }

    pub(super) async fn ask(&self, sql: &str, params: &[Value]) -> Told {
        let query = Query { sql: sql.to_owned(), params: params.to_vec(), ..Query::default() };
        match self.entry.answer(query).await {
            Ok(run::Answer::Rows(rows)) => taken(rows).await,
            Ok(run::Answer::Written(written)) => {
                let affected = written.affected;
                let returned = written.returned.unwrap_or_default();
                let answer = Answer { affected, ..answer(&returned.columns, returned.rows) };
                Told::Answer { answer, tier: "write", why: String::new() }
            }
            Ok(run::Answer::Explained(_)) => panic!("nobody asked to explain: {sql}"),
            Ok(run::Answer::Logged(logged)) => panic!("its nodes are not replicated: {logged:?}"),
            Err(error) => not_answered(&error),
        }
    }
}

async fn taken(rows: Rows) -> Told {
    let Rows { columns, batches, report, .. } = rows;
    match batches.try_collect::<Vec<Vec<Row>>>().await {
        Ok(batches) => {
            let course = report.read().course;
            let answer = answer(&columns, batches.into_iter().flatten().collect());
            Told::Answer { answer, tier: course.tier, why: course.why }
        }
        Err(error) => not_answered(&error),
    }
}

fn answer(columns: &[Column], rows: Vec<Row>) -> Answer {
    let (names, types) = columns.iter().map(|column| (column.name.clone(), column.declared.clone())).unzip();
    Answer { names, types, rows, affected: 0 }
}

fn not_answered(error: &Error) -> Told {
    let any = |failed: &[(String, Fault)], kind| failed.iter().any(|(_, fault)| fault.kind == kind);
    match error {
        Error::Refused(refusal) => Told::Refused(format!("{}: {}", refusal.construct, refusal.why)),
        Error::Syntax(error) => Told::Refused(format!("syntax: {error}")),
        Error::Cap(cap) => Told::Refused(format!("cap: {cap}")),
        Error::Statement(failed) if any(failed, FaultKind::Unsupported) => Told::Refused(error.to_string()),
        Error::Statement(failed) => {
            Told::Failed { overflow: any(failed, FaultKind::Overflow), message: error.to_string() }
        }
        other => Told::Failed { overflow: false, message: format!("{other:?}") },
    }
}
