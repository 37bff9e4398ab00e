//! The parameters of a statement, exactly as they were written: no number is read as a double that does not stand for that
//! very double.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::sql::dialect::Dialect;
use crate::sql::value::Value;

/// The largest power of ten that a number with an exponent is written out for: past every double.
const MOST_ZEROS: i64 = 400;

/// The parameters in an object of JSON, which was read as such.
pub(super) fn all(dialect: Dialect, body: &str) -> Result<Vec<Value>, String> {
    let mut values = Vec::new();
    for (nth, text) in elements(body, "params").into_iter().enumerate() {
        values.push(one(dialect, text).map_err(|why| format!("params[{nth}]: {why}"))?);
    }
    Ok(values)
}

/// `{"decimal": "1.50"}` and the like.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
enum Tagged {
    #[serde(rename = "decimal")]
    Decimal(String),
    #[serde(rename = "blob")]
    Blob(String),
}

fn one(dialect: Dialect, text: &str) -> Result<Value, String> {
    match text.as_bytes().first() {
        Some(b'n') => Ok(Value::Null),
        Some(b't') => Ok(Value::Bool(true)),
        Some(b'f') => Ok(Value::Bool(false)),
        Some(b'"') => serde_json::from_str(text).map(Value::Text).map_err(|error| error.to_string()),
        Some(b'{') => tagged(text),
        Some(b'[') => Err("a list is no parameter: one placeholder takes one value".to_owned()),
        _ => number(dialect, text),
    }
}

fn tagged(text: &str) -> Result<Value, String> {
    const ADVICE: &str = "an object is {\"decimal\": \"1.50\"} or {\"blob\": \"<base64>\"}";
    match serde_json::from_str(text) {
        Ok(Tagged::Decimal(digits)) if is_decimal(&digits) => Ok(Value::Decimal(digits)),
        Ok(Tagged::Decimal(digits)) => Err(format!("`{digits}` is no decimal: a sign, digits, at most one point")),
        Ok(Tagged::Blob(text)) => STANDARD.decode(text).map(Value::Blob).map_err(|why| format!("no base64: {why}")),
        Err(_) => Err(ADVICE.to_owned()),
    }
}

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !(whole.is_empty() && part.is_empty()) && all_digits(whole) && all_digits(part)
}

/// A number of JSON: an integer as one, however large; a number with a point as a double where it is what that double is
/// written as, and as a decimal otherwise. SQLite has no decimals, and zeros at the end are nothing to it.
fn number(dialect: Dialect, text: &str) -> Result<Value, String> {
    let has_exponent = text.contains(['e', 'E']);
    if !has_exponent && !text.contains('.') {
        return Ok(text.parse().map_or_else(|_| Value::Decimal(text.to_owned()), Value::Integer));
    }
    let double: f64 = text.parse().map_err(|_| format!("`{text}` is no number"))?;
    let plain = if has_exponent { written_out(text)? } else { text.to_owned() };
    // The shortest of its texts are several now and then, and all of one length.
    let shown = double.to_string();
    // Nobody writes an exact decimal with an exponent, so there the value alone counts.
    let is_double = match has_exponent || dialect == Dialect::Sqlite {
        true => double.is_finite() && digits(&plain) == digits(&shown),
        false => double.is_finite() && (plain.len() == shown.len() || plain == format!("{shown}.0")),
    };
    Ok(if is_double { Value::Real(double) } else { Value::Decimal(plain) })
}

/// A number with an exponent, without it.
fn written_out(text: &str) -> Result<String, String> {
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (mantissa, exponent) = rest.split_once(['e', 'E']).unwrap_or((rest, "0"));
    let exponent: i64 = exponent.parse().map_err(|_| format!("`{text}` has an exponent that is too large"))?;
    if exponent.abs() > MOST_ZEROS {
        return Err(format!("`{text}` has an exponent that is too large"));
    }
    let (whole, part) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = format!("{whole}{part}");
    let point = i64::try_from(whole.len()).unwrap_or(i64::MAX).saturating_add(exponent);
    let zeros = |count: i64| "0".repeat(usize::try_from(count).unwrap_or(0));
    let length = i64::try_from(digits.len()).unwrap_or(i64::MAX);
    Ok(if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= length {
        format!("{sign}{digits}{}", zeros(point - length))
    } else {
        let (whole, part) = digits.split_at(usize::try_from(point).unwrap_or(digits.len()));
        format!("{sign}{whole}.{part}")
    })
}

/// How many digits count, before and behind the point.
fn digits(plain: &str) -> (usize, usize) {
    let (whole, part) = plain.split_once('.').unwrap_or((plain, ""));
    (whole.trim_start_matches(['-', '0']).len(), part.trim_end_matches('0').len())
}

/// The texts of the elements of a list in a JSON object that is known to be sound.
pub(super) fn elements<'t>(body: &'t str, list: &str) -> Vec<&'t str> {
    let mut scan = Scan { text: body, at: 0 };
    scan.past("{");
    loop {
        let Some(key) = scan.value() else { return Vec::new() };
        scan.past(":");
        let is_list = serde_json::from_str::<String>(key).is_ok_and(|key| key == list);
        let Some(value) = scan.value() else { return Vec::new() };
        if is_list {
            return inside(value);
        }
        scan.past(",");
    }
}

fn inside(list: &str) -> Vec<&str> {
    let mut scan = Scan { text: list, at: 0 };
    scan.past("[");
    let mut found = Vec::new();
    while let Some(element) = scan.value() {
        found.push(element);
        scan.past(",");
    }
    found
}

/// Goes through sound JSON from value to value.
struct Scan<'t> {
    text: &'t str,
    at: usize,
}

impl<'t> Scan<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn past(&mut self, mark: &str) {
        let rest = self.rest().trim_start();
        let rest = rest.strip_prefix(mark).unwrap_or(rest).trim_start();
        self.at = self.text.len() - rest.len();
    }

    /// The value that begins here; none where a list or an object ends.
    fn value(&mut self) -> Option<&'t str> {
        let rest = self.rest();
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        let mut end = rest.len();
        for (at, byte) in rest.bytes().enumerate() {
            if in_text {
                in_text = escaped || byte != b'"';
                escaped = !escaped && byte == b'\\';
                if !in_text && depth == 0 {
                    end = at + 1;
                    break;
                }
                continue;
            }
            match byte {
                b'"' => in_text = true,
                b'[' | b'{' => depth += 1,
                b']' | b'}' | b',' | b':' if depth == 0 => {
                    end = at;
                    break;
                }
                b']' | b'}' => depth -= 1,
                _ => {}
            }
        }
        self.at += end;
        let value = rest.get(..end).unwrap_or_default().trim_end();
        (!value.is_empty()).then_some(value)
    }
}
