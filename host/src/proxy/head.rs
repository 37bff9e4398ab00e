//! What a parsed request does not show any more: the raw bytes of its head. hyper accepts a bare LF as a line end, drops a
//! fragment, and resolves `Content-Length` beside `Transfer-Encoding` by itself; a proxy must refuse all three, because
//! the next server may read them otherwise.
//!
//! A head that is pipelined behind another is checked in its turn. Behind a body it may be missing here, in whole or in
//! part, and what hyper makes of it is what counts.

use memchr::memmem;

/// Bytes of a head that are kept: as much as hyper itself reads before it gives up.
const MAX_KEPT: usize = 8192 + 4096 * 100;

/// How a head ends.
const END: &[u8] = b"\r\n\r\n";

/// Keeps the bytes of the head that is coming in.
#[derive(Debug)]
pub(super) struct RawHead {
    bytes: Vec<u8>,
    recording: bool,
}

/// What the parsed head says, for the raw one to be held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parsed {
    pub(super) has_body: bool,
    pub(super) transfer_encoding: bool,
}

impl RawHead {
    pub(super) fn new() -> Self {
        Self { bytes: Vec::new(), recording: true }
    }

    /// Takes in what was read.
    pub(super) fn record(&mut self, bytes: &[u8]) {
        if self.recording && self.bytes.len() + bytes.len() <= MAX_KEPT {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Checks the head that was parsed just now and forgets it. While a body comes nothing is recorded.
    pub(super) fn check(&mut self, parsed: Parsed) -> Result<(), &'static str> {
        // Empty lines may come before a request, and are not its end.
        let start = self.bytes.iter().position(|byte| !matches!(byte, b'\r' | b'\n')).unwrap_or(0);
        let rest = self.bytes.get(start..).unwrap_or_default();
        let end = memmem::find(rest, END).map_or(self.bytes.len(), |at| start + at + END.len());
        let head = self.bytes.get(..end).unwrap_or_default();
        let checked = check(head, parsed);
        if parsed.has_body || end == self.bytes.len() {
            self.bytes.clear();
        } else {
            // What follows is the next request.
            self.bytes.drain(..end);
        }
        self.recording = !parsed.has_body;
        checked
    }

    /// The body is over: what comes next is a head.
    pub(super) fn resume(&mut self) {
        self.recording = true;
    }
}

fn check(bytes: &[u8], parsed: Parsed) -> Result<(), &'static str> {
    // Nearly every request ends here: two passes that the compiler vectorises.
    if !parsed.has_body && !parsed.transfer_encoding && lines_are_sound(bytes) && !bytes.contains(&b'#') {
        return Ok(());
    }
    for (at, line) in bytes.split_inclusive(|byte| *byte == b'\n').enumerate() {
        // The last piece may be the start of a body, or of a pipelined request.
        let Some(line) = line.strip_suffix(b"\n") else { break };
        let Some(line) = line.strip_suffix(b"\r") else { return Err("a line of the head ends without a CR") };
        // Empty lines may come before a request.
        if line.is_empty() && at > 0 {
            break;
        }
        if at == 0 && line.contains(&b'#') && is_request_line(line) {
            return Err("the target has a fragment");
        }
        if parsed.transfer_encoding && names(line, b"content-length") {
            return Err("both Content-Length and Transfer-Encoding are given");
        }
    }
    Ok(())
}

fn lines_are_sound(bytes: &[u8]) -> bool {
    let feeds = bytes.iter().filter(|byte| **byte == b'\n').count();
    let pairs = bytes.iter().zip(bytes.iter().skip(1)).filter(|(first, next)| **first == b'\r' && **next == b'\n');
    pairs.count() == feeds
}

fn is_request_line(line: &[u8]) -> bool {
    line.ends_with(b" HTTP/1.1") || line.ends_with(b" HTTP/1.0")
}

fn names(line: &[u8], name: &[u8]) -> bool {
    line.split_at_checked(name.len())
        .is_some_and(|(start, rest)| start.eq_ignore_ascii_case(name) && rest.first() == Some(&b':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(bytes: &str, has_body: bool, transfer_encoding: bool) -> Result<(), &'static str> {
        let mut head = RawHead::new();
        for part in bytes.as_bytes().chunks(7) {
            head.record(part);
        }
        head.check(Parsed { has_body, transfer_encoding })
    }

    #[test]
    fn sound_heads_pass() {
        assert!(checked("GET /a HTTP/1.1\r\nhost: a\r\n\r\n", false, false).is_ok());
        assert!(checked("GET /a HTTP/1.1\r\nhost: a\r\ncookie: a#b\r\n\r\n", false, false).is_ok());
        assert!(checked("POST /a HTTP/1.1\r\ncontent-length: 4\r\n\r\n\n#\n\n", true, false).is_ok());
        let chunked = "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n12\r\ncontent-length: 5\r\n";
        assert!(checked(chunked, true, true).is_ok(), "the body may say what it likes");
        assert!(checked("GET / HTTP/1.1\r\n\r\nGET /b HTTP/1.1\r\n\r\n", false, false).is_ok());
    }

    #[test]
    fn what_is_pipelined_is_checked_in_its_turn() {
        let parsed = Parsed { has_body: false, transfer_encoding: false };
        for bad in ["GET /b#c HTTP/1.1\r\nhost: a\r\n\r\n", "GET /b HTTP/1.1\nhost: a\r\n\r\n"] {
            let mut head = RawHead::new();
            head.record(format!("\r\n\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n{bad}").as_bytes());
            assert!(head.check(parsed).is_ok());
            assert!(head.check(parsed).is_err(), "{bad}");
        }
    }

    #[test]
    fn what_hyper_would_let_pass_is_found() {
        assert!(checked("GET /a HTTP/1.1\nhost: a\n\n", false, false).is_err());
        assert!(checked("GET /a HTTP/1.1\r\nhost: a\nx: y\r\n\r\n", false, false).is_err());
        assert!(checked("GET /a#b HTTP/1.1\r\nhost: a\r\n\r\n", false, false).is_err());
        let both = "POST / HTTP/1.1\r\nContent-LENGTH: 5\r\ntransfer-encoding: chunked\r\n\r\n";
        assert!(checked(both, true, true).is_err());
    }
}
