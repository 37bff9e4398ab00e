//! Owns writing PostgreSQL's binary values as the server would write them: numbers, and dates and times in ISO style.
//! The server's ranges are wider than those of any calendar library (4713 BC to 294276 AD), hence the arithmetic here.

use std::fmt::Write as _;

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;
/// Days from 1970-01-01 to 2000-01-01, where the server counts from.
const EPOCH: i64 = 10_957;

/// A number of any size: a sign, base-10000 digits, the place of the first, and how many decimals are shown.
pub(super) fn numeric(bytes: &[u8]) -> Option<String> {
    let (head, digits) = bytes.as_chunks::<2>().0.split_first_chunk::<4>()?;
    let [count, weight, sign, scale] = head.map(i16::from_be_bytes);
    let (count, weight, sign) = (usize::try_from(count).ok()?, i32::from(weight), sign as u16);
    let scale = usize::from(scale as u16 & 0x3fff);
    let mut text = String::with_capacity(4 * count.max(1) + scale + 2);
    match sign {
        0 => {}
        0x4000 => text.push('-'),
        0xC000 => return Some("NaN".to_owned()),
        0xD000 => return Some("Infinity".to_owned()),
        0xF000 => return Some("-Infinity".to_owned()),
        _ => return None,
    }
    if digits.len() != count || digits.iter().any(|digit| !(0..10_000).contains(&i16::from_be_bytes(*digit))) {
        return None;
    }
    let digit = |place: i32| match usize::try_from(weight - place) {
        Ok(index) => digits.get(index).map_or(0, |digit| u16::from_be_bytes(*digit)),
        Err(_) => 0,
    };
    let first = digit(weight.max(0));
    let shown = [first > 999, first > 99, first > 9, true].iter().filter(|is_shown| **is_shown).count();
    push_digits(&mut text, first, shown);
    for place in (0..weight.max(0)).rev() {
        push_digits(&mut text, digit(place), 4);
    }
    if scale > 0 {
        text.push('.');
        let end = text.len() + scale;
        let mut place = -1;
        while text.len() < end {
            push_digits(&mut text, digit(place), 4);
            place -= 1;
        }
        text.truncate(end);
    }
    Some(text)
}

/// The last digits of a number below 10,000. (Formatting takes five times as long, and sums are all numbers of this kind.)
fn push_digits(text: &mut String, number: u16, shown: usize) {
    let digits = [number / 1000, number / 100 % 10, number / 10 % 10, number % 10].map(|digit| b'0' + (digit as u8));
    let shown = digits.split_at(4 - shown.min(4)).1;
    text.push_str(std::str::from_utf8(shown).unwrap_or_default());
}

/// A day, counted from 2000-01-01.
pub(super) fn date(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        _ => {
            let mut text = String::with_capacity(10);
            let is_before = push_date(&mut text, i64::from(days));
            push_era(&mut text, is_before);
            text
        }
    }
}

/// A moment, in microseconds from 2000-01-01; with the offset of UTC where it has a zone.
pub(super) fn timestamp(micros: i64, has_zone: bool) -> String {
    match micros {
        i64::MAX => return "infinity".to_owned(),
        i64::MIN => return "-infinity".to_owned(),
        _ => {}
    }
    let mut text = String::with_capacity(29);
    let is_before = push_date(&mut text, micros.div_euclid(DAY));
    text.push(' ');
    push_clock(&mut text, micros.rem_euclid(DAY));
    if has_zone {
        text.push_str("+00");
    }
    push_era(&mut text, is_before);
    text
}

/// A time of day, in microseconds; 24:00:00 is one.
pub(super) fn time(micros: i64) -> String {
    let mut text = String::with_capacity(15);
    push_clock(&mut text, micros);
    text
}

/// A time of day with a zone, which is in seconds west of UTC.
pub(super) fn time_with_zone(micros: i64, west: i32) -> String {
    let mut text = time(micros);
    let offset = west.unsigned_abs();
    text.push(if west > 0 { '-' } else { '+' });
    let (hours, minutes, seconds) = (offset / 3600, offset / 60 % 60, offset % 60);
    let _ = write!(text, "{hours:02}");
    if minutes > 0 || seconds > 0 {
        let _ = write!(text, ":{minutes:02}");
    }
    if seconds > 0 {
        let _ = write!(text, ":{seconds:02}");
    }
    text
}

/// A span of time, in the style `postgres`. A part that follows a negative one has its sign written. From version 17 on the
/// largest of all three parts together are infinity, and the smallest are what is before it all.
pub(super) fn interval(micros: i64, days: i32, months: i32) -> String {
    match (micros, days, months) {
        (i64::MAX, i32::MAX, i32::MAX) => return "infinity".to_owned(),
        (i64::MIN, i32::MIN, i32::MIN) => return "-infinity".to_owned(),
        _ => {}
    }
    let mut text = String::new();
    let mut is_after_negative = false;
    for (value, unit) in [(months / 12, "year"), (months % 12, "mon"), (days, "day")] {
        if value == 0 {
            continue;
        }
        let space = if text.is_empty() { "" } else { " " };
        let plus = if is_after_negative && value > 0 { "+" } else { "" };
        let plural = if value == 1 { "" } else { "s" };
        let _ = write!(text, "{space}{plus}{value} {unit}{plural}");
        is_after_negative = value < 0;
    }
    if micros != 0 || text.is_empty() {
        if !text.is_empty() {
            text.push(' ');
        }
        match (micros < 0, is_after_negative) {
            (true, _) => text.push('-'),
            (false, true) => text.push('+'),
            (false, false) => {}
        }
        push_span(&mut text, micros.unsigned_abs());
    }
    text
}

/// Sixteen bytes.
pub(super) fn uuid(bytes: [u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let mut text = String::with_capacity(36);
    for (index, digit) in hex.chars().enumerate() {
        if matches!(index, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        text.push(digit);
    }
    text
}

/// Bytes in hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 + bytes.len() * 2);
    text.push_str("\\x");
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// A double, in the fewest digits that are read as the same.
pub(super) fn double(value: f64) -> String {
    match spelled(value.is_nan(), value.is_infinite(), value.is_sign_negative()) {
        Some(word) => word.to_owned(),
        None => shortest(&format!("{value:e}"), 15),
    }
}

/// A float, in the fewest digits that are read as the same.
pub(super) fn float(value: f32) -> String {
    match spelled(value.is_nan(), value.is_infinite(), value.is_sign_negative()) {
        Some(word) => word.to_owned(),
        None => shortest(&format!("{value:e}"), 6),
    }
}

fn spelled(is_nan: bool, is_infinite: bool, is_negative: bool) -> Option<&'static str> {
    match (is_nan, is_infinite, is_negative) {
        (true, ..) => Some("NaN"),
        (_, true, true) => Some("-Infinity"),
        (_, true, false) => Some("Infinity"),
        _ => None,
    }
}

/// From Rust's shortest digits to the server's way of writing them: an exponent below -4, and from `wide` on.
fn shortest(scientific: &str, wide: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if !(-4..wide).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs());
    }
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits = mantissa.replace('.', "");
    let Ok(whole) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-1 - exponent).unwrap_or(0);
        return format!("{sign}0.{}{digits}", "0".repeat(zeros));
    };
    match digits.split_at_checked(whole + 1) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, part)) => format!("{sign}{whole}.{part}"),
        None => format!("{sign}{digits}{}", "0".repeat(whole + 1 - digits.len())),
    }
}

/// Writes the date of a day counted from 2000-01-01; answers whether it is before the year 1.
/// The arithmetic is that of "days to civil" in Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms".
fn push_date(text: &mut String, days: i64) -> bool {
    let shifted = days + EPOCH + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let part = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * part + 2) / 5 + 1;
    let month = if part < 10 { part + 3 } else { part - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let shown = if year > 0 { year } else { 1 - year };
    let _ = write!(text, "{shown:04}-{month:02}-{day:02}");
    year <= 0
}

fn push_era(text: &mut String, is_before: bool) {
    if is_before {
        text.push_str(" BC");
    }
}

fn push_clock(text: &mut String, micros: i64) {
    push_span(text, micros.unsigned_abs());
}

fn push_span(text: &mut String, micros: u64) {
    let seconds = micros / 1_000_000;
    let _ = write!(text, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    let fraction = micros % 1_000_000;
    if fraction > 0 {
        let digits = format!("{fraction:06}");
        text.push('.');
        text.push_str(digits.trim_end_matches('0'));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[i32]) -> Vec<u8> {
        words.iter().flat_map(|word| (*word as u16).to_be_bytes()).collect()
    }

    #[test]
    fn a_numeric_keeps_its_scale_and_all_its_digits() {
        for (parts, text) in [
            (&[0, 0, 0, 0][..], "0"),
            (&[0, 0, 0, 2], "0.00"),
            (&[2, 0, 0, 2, 1, 5000], "1.50"),
            (&[1, -1, 0x4000, 4, 5], "-0.0005"),
            (&[1, -2, 0, 8, 1], "0.00000001"),
            (&[1, 2, 0, 0, 12], "1200000000"),
            (&[3, 1, 0, 3, 1, 2345, 6780], "12345.678"),
            (&[0, 0, 0xC000, 0], "NaN"),
            (&[0, 0, 0xD000, 0], "Infinity"),
            (&[0, 0, 0xF000, 0], "-Infinity"),
        ] {
            assert_eq!(numeric(&words(parts)).as_deref(), Some(text));
        }
        assert_eq!(numeric(&words(&[2, 0, 0, 0, 1])), None);
        assert_eq!(numeric(&words(&[1, 0, 0, 0, 10_000])), None);
    }

    #[test]
    fn dates_are_written_in_iso_style_with_the_era_at_the_end() {
        assert_eq!(date(0), "2000-01-01");
        assert_eq!(date(-1), "1999-12-31");
        assert_eq!(date(59), "2000-02-29");
        assert_eq!(date(-730_119), "0001-01-01");
        assert_eq!(date(-730_120), "0001-12-31 BC");
        assert_eq!(date(i32::MAX), "infinity");
        assert_eq!(timestamp(-1, false), "1999-12-31 23:59:59.999999");
        assert_eq!(timestamp(1_500_000, true), "2000-01-01 00:00:01.5+00");
        assert_eq!(time(DAY), "24:00:00");
        assert_eq!(time_with_zone(0, -19_800), "00:00:00+05:30");
        assert_eq!(time_with_zone(0, 3_600), "00:00:00-01");
    }

    #[test]
    fn an_interval_says_the_sign_of_what_follows_a_negative_part() {
        assert_eq!(interval(0, 0, 0), "00:00:00");
        assert_eq!(interval(14_706_789_000, 3, 14), "1 year 2 mons 3 days 04:05:06.789");
        assert_eq!(interval(-1_000_000, 3, -14), "-1 years -2 mons +3 days -00:00:01");
        assert_eq!(interval(1_000_000, -1, 0), "-1 days +00:00:01");
        assert_eq!(interval(i64::MAX, i32::MAX, i32::MAX), "infinity");
        assert_eq!(interval(i64::MIN, i32::MIN, i32::MIN), "-infinity");
    }

    #[test]
    fn floats_are_written_with_an_exponent_where_the_server_does() {
        for (value, text) in [
            (0.1, "0.1"),
            (-0.0, "-0"),
            (1.0, "1"),
            (123_456.0, "123456"),
            (1e14, "100000000000000"),
            (1e15, "1e+15"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (-12.25, "-12.25"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(double(value), text);
        }
        assert_eq!(float(0.1), "0.1");
        assert_eq!(float(1e6), "1e+06");
    }

    #[test]
    fn uuids_and_bytes_are_hexadecimal() {
        assert_eq!(uuid([0x12; 16]), "12121212-1212-1212-1212-121212121212");
        assert_eq!(hex(&[0, 255]), "\\x00ff");
    }
}
