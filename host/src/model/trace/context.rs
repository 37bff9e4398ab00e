//! The context that travels with a request, as W3C Trace Context writes it: `traceparent` and `tracestate`. Pure.

use std::fmt;

use http::{HeaderMap, HeaderName};

/// Names the trace and the span that a request comes from.
pub const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// What tracing systems pass on beside it, of which nothing is read here.
pub const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The length of a `traceparent` of version 00.
pub(super) const TRACEPARENT_LENGTH: usize = 55;

/// The most members that a `tracestate` may have.
const MOST_MEMBERS: usize = 32;

/// Names a trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId(u128);

/// Names a span within its trace; never zero.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SpanId(u64);

impl TraceId {
    /// Takes a number other than zero.
    pub fn new(id: u128) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// One that nobody else has.
    pub fn random() -> Self {
        Self(fastrand::u128(1..))
    }

    /// The number.
    pub fn get(self) -> u128 {
        self.0
    }
}

impl SpanId {
    /// Takes a number other than zero.
    pub fn new(id: u64) -> Option<Self> {
        (id != 0).then_some(Self(id))
    }

    /// One that no other span of the trace has.
    pub fn random() -> Self {
        Self(fastrand::u64(1..))
    }

    /// The number.
    pub fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace.
    pub trace: TraceId,
    /// The span that the request was sent in.
    pub span: SpanId,
    /// Whether whoever sent it keeps spans of this trace.
    pub is_sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. Of a later version what version 00 has is read, as the specification wants.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let [version, trace, span, flags] =
            [text.get(..2)?, text.get(3..35)?, text.get(36..52)?, text.get(53..TRACEPARENT_LENGTH)?].map(hexadecimal);
        let (version, flags) = (version?, flags?);
        let dashes = [2, 35, 52].into_iter().all(|at| text.get(at) == Some(&b'-'));
        let ends = match text.get(TRACEPARENT_LENGTH) {
            None => true,
            Some(next) => version > 0 && *next == b'-',
        };
        if version == 0xff || !dashes || !ends {
            return None;
        }
        let (trace, span) = (TraceId::new(trace?)?, SpanId::new(u64::try_from(span?).ok()?)?);
        Some(Self { trace, span, is_sampled: flags & 1 == 1 })
    }

    /// The context that the headers of a request tell; none without one, or with one that breaks the rules.
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut lines = headers.get_all(TRACEPARENT).iter();
        match (lines.next(), lines.next()) {
            (Some(only), None) => Self::parse(only.as_bytes()),
            _ => None,
        }
    }
}

impl fmt::Display for TraceContext {
    /// As a `traceparent` of version 00.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{}-{}-{:02x}", self.trace, self.span, u8::from(self.is_sampled))
    }
}

/// Digits in lower case, and nothing else.
fn hexadecimal(text: &[u8]) -> Option<u128> {
    text.iter().try_fold(0_u128, |number, digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            _ => return None,
        };
        Some((number << 4) | u128::from(value))
    })
}

/// The `tracestate` of a request in one line; none without one, or with one that breaks the rules.
pub(super) fn state(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> =
        headers.get_all(TRACESTATE).iter().map(|line| line.to_str().ok()).collect::<Option<Vec<_>>>()?;
    let members: Vec<&str> =
        lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|member| !member.is_empty()).collect();
    let sound = |member: &&str| {
        member.split_once('=').is_some_and(|(key, value)| {
            let first = key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
            let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-*/@".contains(c);
            first && key.len() <= 256 && key.chars().all(fits) && value.len() <= 256 && !value.contains('=')
        })
    };
    (!members.is_empty() && members.len() <= MOST_MEMBERS && members.iter().all(sound)).then(|| members.join(","))
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    const SOUND: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    proptest! {
        #[test]
        fn what_is_written_is_read_back(trace in 1_u128.., span in 1_u64.., is_sampled: bool) {
            let context =
                TraceContext { trace: TraceId::new(trace).unwrap(), span: SpanId::new(span).unwrap(), is_sampled };
            let text = context.to_string();
            prop_assert_eq!(text.len(), TRACEPARENT_LENGTH);
            prop_assert_eq!(TraceContext::parse(text.as_bytes()), Some(context));
        }

        #[test]
        fn whatever_is_read_is_written_the_same(text in "0[0-2]-[0-9a-f]{32}-[0-9a-f]{16}-0[01](-x)?") {
            match TraceContext::parse(text.as_bytes()) {
                Some(context) => prop_assert_eq!(&context.to_string()[2..], &text[2..TRACEPARENT_LENGTH]),
                None => prop_assert!(text.len() > TRACEPARENT_LENGTH && text.starts_with("00")),
            }
        }

        #[test]
        fn nothing_panics(text: Vec<u8>, at in 0_usize..TRACEPARENT_LENGTH, byte: u8) {
            let _ = TraceContext::parse(&text);
            let mut changed = SOUND.as_bytes().to_vec();
            changed[at] = byte;
            let _ = TraceContext::parse(&changed);
        }
    }

    #[test]
    fn what_breaks_the_rules_is_not_read() {
        let bad = [
            "",
            "00",
            &SOUND.to_uppercase(),
            &SOUND.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &SOUND.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &SOUND.replacen("00", "ff", 1),
            &SOUND.replace('-', "_"),
            &format!("{SOUND}-00"),
            &format!(" {SOUND}"),
            &format!("01{}x", &SOUND[2..]),
        ];
        for text in bad {
            assert_eq!(TraceContext::parse(text.as_bytes()), None, "{text:?}");
        }
        assert!(TraceContext::parse(format!("01{}-more", &SOUND[2..]).as_bytes()).unwrap().is_sampled);
        assert!(!TraceContext::parse(SOUND.replace("-01", "-02").as_bytes()).unwrap().is_sampled);
    }

    #[test]
    fn two_contexts_are_none() {
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(SOUND));
        assert!(TraceContext::of(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(SOUND));
        assert_eq!(TraceContext::of(&headers), None);
    }

    #[test]
    fn the_state_of_several_lines_is_one_and_a_broken_one_is_none() {
        let of = |lines: &[&'static str]| {
            let lines = lines.iter().map(|line| (TRACESTATE, HeaderValue::from_static(line)));
            state(&lines.collect())
        };
        assert_eq!(of(&["a=1, b@x=2", "", "c=3"]).as_deref(), Some("a=1,b@x=2,c=3"));
        assert_eq!([of(&[]), of(&[""]), of(&["a"]), of(&["A=1"]), of(&["a=1=2"])], [None, None, None, None, None]);
    }
}
