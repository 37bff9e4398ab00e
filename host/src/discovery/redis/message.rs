//! What is said on the channel: which backend changed, and what it is now. Read leniently, since others publish too.

use serde_json::{Value, json};

/// One backend changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// Which.
    pub(super) backend: String,
}

impl Message {
    /// The status that is published of a backend that was removed.
    pub(super) const REMOVED: &'static str = "REMOVED";

    /// Reads one; none when it names no backend. Its status is not looked at: by the time it is read, it may have changed
    /// again.
    pub(super) fn parse(payload: &[u8]) -> Option<Self> {
        let value: Value = serde_json::from_slice(payload).ok()?;
        let backend = value.get("backend_id")?.as_str()?.to_owned();
        Some(Self { backend })
    }

    /// As it is published.
    pub(super) fn payload(backend: &str, status: &str) -> String {
        json!({ "backend_id": backend, "status": status }).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read() {
        let payload = Message::payload("a\"b", "DOWN");
        assert_eq!(payload, r#"{"backend_id":"a\"b","status":"DOWN"}"#);
        assert_eq!(Message::parse(payload.as_bytes()), Some(Message { backend: "a\"b".into() }));
    }

    #[test]
    fn more_than_is_needed_is_no_harm_and_nonsense_names_nobody() {
        let more = br#"{"backend_id":"a","status":"UP","at":17,"by":{"host":"x"}}"#;
        assert_eq!(Message::parse(more), Some(Message { backend: "a".into() }));
        let nonsense: [&[u8]; 6] = [b"", b"UP", b"[]", b"{}", br#"{"backend_id":7}"#, b"\xff"];
        assert!(nonsense.iter().all(|payload| Message::parse(payload).is_none()));
    }
}
