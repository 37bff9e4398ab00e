//! Owns the order of decimals as servers write them: exact, digit by digit, never by way of a float.

use std::cmp::Ordering;

/// A decimal taken apart.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    BelowAll,
    Finite,
    AboveAll,
    NaN,
}

/// The order of two decimals: `-Infinity`, numbers, `Infinity`, `NaN`.
pub(super) fn compare(one: &str, other: &str) -> Ordering {
    place(one).cmp(&place(other)).then_with(|| {
        let ((left_sign, left), (right_sign, right)) = (signed(one), signed(other));
        match (left_sign, right_sign) {
            (false, false) => magnitude(left, right),
            (true, true) => magnitude(right, left),
            // Minus zero is zero.
            _ if is_zero(left) && is_zero(right) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    })
}

fn place(text: &str) -> Place {
    let (is_negative, rest) = signed(text);
    match rest.bytes().next() {
        Some(b'N' | b'n') => Place::NaN,
        Some(b'I' | b'i') if is_negative => Place::BelowAll,
        Some(b'I' | b'i') => Place::AboveAll,
        _ => Place::Finite,
    }
}

fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn is_zero(digits: &str) -> bool {
    digits.bytes().all(|byte| matches!(byte, b'0' | b'.'))
}

/// The order of two numbers without a sign.
fn magnitude(one: &str, other: &str) -> Ordering {
    fn parts(text: &str) -> (&str, &str) {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        (whole.trim_start_matches('0'), fraction.trim_end_matches('0'))
    }
    let ((left, left_fraction), (right, right_fraction)) = (parts(one), parts(other));
    // Without zeros at the end the shorter of two fractions that begin alike is the smaller one.
    left.len().cmp(&right.len()).then_with(|| left.cmp(right)).then_with(|| left_fraction.cmp(right_fraction))
}

#[cfg(test)]
mod tests {
    use super::compare;
    use std::cmp::Ordering;

    #[test]
    fn decimals_are_ordered_by_value_and_not_by_their_text() {
        let ordered = [
            "-Infinity",
            "-10",
            "-9.5",
            "-0.01",
            "0",
            "0.001",
            "0.01",
            "1",
            "1.05",
            "1.5",
            "9",
            "10",
            "Infinity",
            "NaN",
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (place, other) in ordered.iter().enumerate() {
                assert_eq!(compare(one, other), at.cmp(&place), "{one} and {other}");
            }
        }
        for (one, other) in [("1.0", "1.00"), ("-0.0", "0"), ("007", "7"), ("NaN", "NaN")] {
            assert_eq!(compare(one, other), Ordering::Equal, "{one} and {other}");
        }
    }
}
