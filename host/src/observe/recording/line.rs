//! The lines of the access log. A value cannot end its line, nor its quotes: whatever is not plain text in it is escaped.
//! Pure.

use std::io::Write;
use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use http::Version;
use jiff::Timestamp;

use crate::config::{AccessField, AccessFormat, AccessPiece};
use crate::proxy::Access;

/// What stands for a value that there is none of.
const NOTHING: &[u8] = b"-";

/// The fields of a line in JSON. The query is not among them, since it may hold secrets.
const JSON_FIELDS: [AccessField; 18] = [
    AccessField::Time,
    AccessField::Client,
    AccessField::Method,
    AccessField::Path,
    AccessField::Protocol,
    AccessField::Host,
    AccessField::Status,
    AccessField::BytesSent,
    AccessField::DurationMs,
    AccessField::Listener,
    AccessField::Cluster,
    AccessField::Sql,
    AccessField::Endpoint,
    AccessField::Plugin,
    AccessField::Attempts,
    AccessField::Error,
    AccessField::UserAgent,
    AccessField::TraceId,
];

/// The second that was last written down: of many lines in a second, one works it out.
#[derive(Debug, Default)]
pub(super) struct Clock {
    second: Option<u64>,
    rfc3339: String,
    common: String,
}

impl Clock {
    fn at(&mut self, second: u64) -> &Self {
        if self.second != Some(second) {
            self.second = Some(second);
            let moment = i64::try_from(second).ok().and_then(|second| Timestamp::from_second(second).ok());
            let moment = moment.unwrap_or(Timestamp::UNIX_EPOCH);
            self.rfc3339 = moment.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            self.common = moment.strftime("[%d/%b/%Y:%H:%M:%S +0000]").to_string();
        }
        self
    }
}

/// A value of a request.
enum Value<'a> {
    None,
    Number(u64),
    /// In thousandths.
    Thousandths(u64),
    Address(IpAddr),
    /// Nothing in it needs to be escaped.
    Plain(std::fmt::Arguments<'a>),
    Text(&'a [u8]),
}

/// Writes a line, with its end.
pub(super) fn write(format: &AccessFormat, access: &Access<'_>, clock: &mut Clock, out: &mut Vec<u8>) {
    match format {
        AccessFormat::Text(pieces) => {
            for piece in pieces {
                match piece {
                    AccessPiece::Text(text) => out.extend_from_slice(text.as_bytes()),
                    AccessPiece::Field(field) => with_value(*field, access, clock, |value| text(&value, out)),
                }
            }
        }
        AccessFormat::Json => {
            out.push(b'{');
            let start = out.len();
            for field in JSON_FIELDS {
                with_value(field, access, clock, |value| {
                    if matches!(value, Value::None) {
                        return;
                    }
                    if out.len() > start {
                        out.push(b',');
                    }
                    put(out, format_args!("\"{}\":", field.as_str()));
                    json(&value, out);
                });
            }
            out.push(b'}');
        }
    }
    out.push(b'\n');
}

/// What a field is for a request. Given to a function, since what it borrows does not outlive this one.
fn with_value(field: AccessField, access: &Access<'_>, clock: &mut Clock, take: impl FnOnce(Value<'_>)) {
    let text = |text: Option<&'_ str>, take: &mut dyn FnMut(Value<'_>)| match text {
        Some(text) => take(Value::Text(text.as_bytes())),
        None => take(Value::None),
    };
    let mut once = Some(take);
    let mut take = |value: Value<'_>| {
        if let Some(take) = once.take() {
            take(value);
        }
    };
    match field {
        AccessField::Time => {
            let (second, milli) = moment(access.began);
            take(Value::Plain(format_args!("{}.{milli:03}Z", clock.at(second).rfc3339)));
        }
        AccessField::TimeCommon => take(Value::Plain(format_args!("{}", clock.at(moment(access.began).0).common))),
        AccessField::Client => take(Value::Address(access.client)),
        AccessField::Method => take(Value::Text(access.method.as_str().as_bytes())),
        AccessField::Path => take(Value::Text(access.uri.path().as_bytes())),
        AccessField::Query => text(access.uri.query(), &mut take),
        AccessField::Protocol => take(Value::Text(protocol(access.version))),
        AccessField::Host => take(access.host.map_or(Value::None, Value::Text)),
        AccessField::Status => take(Value::Number(access.status.into())),
        AccessField::BytesSent => take(Value::Number(access.bytes_sent)),
        AccessField::DurationMs => {
            take(Value::Thousandths(u64::try_from(access.took.as_micros()).unwrap_or(u64::MAX)));
        }
        AccessField::Listener => take(Value::Text(access.listener.as_bytes())),
        AccessField::Cluster => text(access.cluster, &mut take),
        AccessField::Sql => text(access.sql, &mut take),
        AccessField::Endpoint => text(access.endpoint, &mut take),
        AccessField::Plugin => text(access.plugin, &mut take),
        AccessField::Attempts => take(Value::Number(access.attempts.into())),
        AccessField::Error => text(access.error, &mut take),
        AccessField::UserAgent => take(access.user_agent.map_or(Value::None, Value::Text)),
        AccessField::Referer => take(access.referer.map_or(Value::None, |referer| Value::Text(without_query(referer)))),
        AccessField::TraceId => match access.trace {
            Some(trace) => take(Value::Plain(format_args!("{trace}"))),
            None => take(Value::None),
        },
    }
}

/// An address without what may hold secrets.
fn without_query(address: &[u8]) -> &[u8] {
    let end = memchr::memchr2(b'?', b'#', address).unwrap_or(address.len());
    address.get(..end).unwrap_or(address)
}

/// Seconds since 1970, and the milliseconds that go beyond them.
fn moment(time: SystemTime) -> (u64, u32) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs(), since.subsec_millis())
}

fn protocol(version: Version) -> &'static [u8] {
    match version {
        Version::HTTP_09 => b"HTTP/0.9",
        Version::HTTP_10 => b"HTTP/1.0",
        Version::HTTP_2 => b"HTTP/2.0",
        Version::HTTP_3 => b"HTTP/3.0",
        _ => b"HTTP/1.1",
    }
}

fn text(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::None => out.extend_from_slice(NOTHING),
        Value::Number(number) => digits(*number, out),
        Value::Thousandths(number) => thousandths(*number, out),
        Value::Address(address) => self::address(*address, out),
        Value::Plain(plain) => put(out, *plain),
        Value::Text([]) => out.extend_from_slice(NOTHING),
        Value::Text(text) => escaped(text, out),
    }
}

/// As nginx does it: whatever is no printable ASCII, quotes and backslashes become `\xHH`.
fn escaped(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' | b'\\' | 0..0x20 | 0x7f.. => put(out, format_args!("\\x{byte:02X}")),
            plain => out.push(*plain),
        }
    }
}

fn json(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Number(number) => digits(*number, out),
        Value::Thousandths(number) => thousandths(*number, out),
        Value::Address(address) => {
            out.push(b'"');
            self::address(*address, out);
            out.push(b'"');
        }
        Value::Plain(plain) => put(out, format_args!("\"{plain}\"")),
        // Writing to memory does not fail.
        Value::Text(text) => drop(serde_json::to_writer(&mut *out, &String::from_utf8_lossy(text))),
    }
}

fn thousandths(number: u64, out: &mut Vec<u8>) {
    digits(number / 1000, out);
    let rest = number % 1000;
    let point: &[u8] = match rest {
        0..10 => b".00",
        10..100 => b".0",
        _ => b".",
    };
    out.extend_from_slice(point);
    digits(rest, out);
}

/// Each line has an address and some numbers: the formatter of the standard library would take more than all the rest.
fn digits(number: u64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn address(address: IpAddr, out: &mut Vec<u8>) {
    let IpAddr::V4(address) = address else { return put(out, format_args!("{address}")) };
    for (at, octet) in address.octets().into_iter().enumerate() {
        if at > 0 {
            out.push(b'.');
        }
        digits(octet.into(), out);
    }
}

fn put(out: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to memory does not fail.
    let _ = out.write_fmt(what);
}
