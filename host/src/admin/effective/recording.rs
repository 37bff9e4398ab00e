//! Traces and the access log, as they are shown.

use serde_json::{Value, json};

use crate::config::{AccessFormat, AccessLog, AccessPiece, AccessTarget, Traces};

pub(super) fn traces(traces: &Traces) -> Value {
    json!({
        // Neither a name nor a password can be in it.
        "endpoint": traces.endpoint.to_string(),
        "sample": traces.sample.share(),
        "service_name": traces.service_name,
    })
}

pub(super) fn access_log(log: &AccessLog) -> Value {
    let to = match &log.to {
        AccessTarget::File(file) => json!(file),
        AccessTarget::Stdout => Value::from("stdout"),
        AccessTarget::Stderr => Value::from("stderr"),
    };
    json!({ "to": to, "format": format(&log.format), "sample": log.sample.share(), "errors": log.errors })
}

/// As it would be written in the file.
fn format(format: &AccessFormat) -> String {
    let piece = |piece: &AccessPiece| match piece {
        AccessPiece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
        AccessPiece::Field(field) => format!("{{{}}}", field.as_str()),
    };
    match format {
        AccessFormat::Json => "json".to_owned(),
        AccessFormat::Text(pieces) => pieces.iter().map(piece).collect(),
    }
}
