//! How entries and outcomes are written down: statements as a JSON text that people can read, values in the form that HTTP
//! nodes speak; and the checksums that chain them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Identity, Kind, Outcome, Position, Statement};
use crate::sql::backend::http::wire::Tagged;

/// The checksum of a record: over all that it says, and over the checksum of the record before it.
pub(super) type Sum = [u8; 32];

/// A statement as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Form<'a> {
    sql: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "is_empty")]
    params: Tagged<'a>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    returns: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    named: Option<u64>,
}

fn is_empty(params: &Tagged<'_>) -> bool {
    params.0.is_empty()
}

/// The text of an entry's statements.
pub(super) fn statements(statements: &[Statement]) -> serde_json::Result<String> {
    let form = |one: &Statement| {
        serde_json::to_string(&Form {
            sql: Cow::Borrowed(&one.sql),
            params: Tagged(Cow::Borrowed(&one.params)),
            returns: one.returns,
            named: one.named,
        })
    };
    let forms: Vec<String> = statements.iter().map(form).collect::<Result<_, _>>()?;
    Ok(format!("[{}]", forms.join(",")))
}

/// Reads the text of an entry's statements.
pub(super) fn read_statements(text: &[u8]) -> serde_json::Result<Vec<Statement>> {
    let forms: Vec<Form<'_>> = serde_json::from_slice(text)?;
    let statement = |Form { sql, params, returns, named }: Form<'_>| Statement {
        sql: sql.into_owned(),
        params: params.0.into_owned(),
        returns,
        named,
    };
    Ok(forms.into_iter().map(statement).collect())
}

/// An outcome as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
enum OutcomeForm<'a> {
    Applied(Cow<'a, [u64]>),
    Refused { class: Cow<'a, str>, message: Cow<'a, str> },
}

/// The text of an outcome.
pub(super) fn outcome(outcome: &Outcome) -> serde_json::Result<String> {
    serde_json::to_string(&match outcome {
        Outcome::Applied { affected } => OutcomeForm::Applied(Cow::Borrowed(affected)),
        Outcome::Refused { class, message } => {
            OutcomeForm::Refused { class: Cow::Borrowed(class), message: Cow::Borrowed(message) }
        }
    })
}

/// Reads the text of an outcome.
pub(super) fn read_outcome(text: &[u8]) -> serde_json::Result<Outcome> {
    Ok(match serde_json::from_slice(text)? {
        OutcomeForm::Applied(affected) => Outcome::Applied { affected: affected.into_owned() },
        OutcomeForm::Refused { class, message } => {
            Outcome::Refused { class: class.into_owned(), message: message.into_owned() }
        }
    })
}

/// What a record is found by, besides its statements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) position: Position,
    pub(super) epoch: u64,
    pub(super) kind: Kind,
    pub(super) moment: i64,
}

/// What the checksum of the first record is chained to: the log that it is of.
pub(super) fn origin(identity: &Identity) -> Sum {
    Sha256::digest(identity.0.as_bytes()).into()
}

/// The checksum of a record, from that of the one before it.
pub(super) fn sum(previous: &Sum, head: Head, statements: &[u8]) -> Sum {
    let numbers = [head.position.0, head.epoch, head.moment.cast_unsigned()].map(u64::to_be_bytes);
    let mut digest = Sha256::new_with_prefix(previous);
    for number in numbers {
        digest.update(number);
    }
    digest.update([match head.kind {
        Kind::Change => 0,
        Kind::Schema => 1,
    }]);
    digest.update(statements);
    digest.finalize().into()
}

/// The checksum of an outcome, from that of its record.
pub(super) fn outcome_sum(record: &[u8], outcome: &[u8]) -> Sum {
    Sha256::new_with_prefix(record).chain_update(outcome).finalize().into()
}
