//! The fields behind a body in chunks: which may stand there, and how they are read.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use super::Malformed;

/// Fields behind one body, at most.
const MAX_FIELDS: usize = 64;

/// Whether a field may come behind a body: none that says how the message is framed, routed or to be handled
/// (RFC 9110, 6.5.1).
pub(super) fn may_trail(name: &HeaderName) -> bool {
    !matches!(
        *name,
        header::AUTHORIZATION
            | header::CACHE_CONTROL
            | header::CONNECTION
            | header::CONTENT_ENCODING
            | header::CONTENT_LENGTH
            | header::CONTENT_RANGE
            | header::CONTENT_TYPE
            | header::HOST
            | header::MAX_FORWARDS
            | header::SET_COOKIE
            | header::TE
            | header::TRAILER
            | header::TRANSFER_ENCODING
            | header::UPGRADE
    )
}

/// Reads the whole section, with the empty line at its end. What may not stand there is left out.
pub(super) fn parse(section: &[u8]) -> Result<HeaderMap, Malformed> {
    const BAD: Malformed = Malformed("its trailers cannot be read");
    let mut lines = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let parsed = httparse::parse_headers(section, &mut lines).map_err(|_| BAD)?;
    let httparse::Status::Complete((_, lines)) = parsed else { return Err(BAD) };
    let mut fields = HeaderMap::new();
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes()).map_err(|_| BAD)?;
        if may_trail(&name) {
            fields.append(name, HeaderValue::from_bytes(line.value).map_err(|_| BAD)?);
        }
    }
    Ok(fields)
}
