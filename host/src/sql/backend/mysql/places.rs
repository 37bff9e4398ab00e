//! Owns the numbers of parameters. A planned statement names each parameter by its number, as `?1`, and may do so out of order,
//! twice or not at all; the server knows `?` alone, each the next value.

use std::borrow::Cow;

use crate::sql::backend::{Bound, Fault, FaultKind};
use crate::sql::dialect::mysql::lexis::regions;
use crate::sql::value::Value;

/// The text with bare marks, and the values in the order of these marks. What has no numbers stays as it is.
pub(super) fn in_order(bound: Bound<'_>) -> Result<(Cow<'_, str>, Cow<'_, [Value]>), Fault> {
    let (Bound { sql, params, .. }, bytes) = (bound, bound.sql.as_bytes());
    let mut skipped = regions(sql).into_iter().map(|(place, _)| place).peekable();
    let (mut text, mut values) = (String::new(), Vec::new());
    let (mut copied, mut here) = (0, 0);
    while here < bytes.len() {
        if let Some(region) = skipped.next_if(|region| region.start <= here) {
            here = region.end.max(here);
            continue;
        }
        let digits = bytes.iter().skip(here + 1).take_while(|byte| byte.is_ascii_digit()).count();
        if bytes.get(here) != Some(&b'?') || digits == 0 {
            here += 1;
            continue;
        }
        let end = here + 1 + digits;
        let number = sql.get(here + 1..end).and_then(|number| number.parse::<usize>().ok());
        let value = number.and_then(|number| number.checked_sub(1)).and_then(|index| params.get(index));
        let missing =
            || Fault::new(FaultKind::Statement, format!("there is no parameter {}", sql.get(here..end).unwrap_or("?")));
        values.push(value.ok_or_else(missing)?.clone());
        text.push_str(sql.get(copied..=here).unwrap_or_default());
        (copied, here) = (end, end);
    }
    if values.is_empty() {
        return Ok((Cow::Borrowed(sql), Cow::Borrowed(params)));
    }
    text.push_str(sql.get(copied..).unwrap_or_default());
    Ok((Cow::Owned(text), Cow::Owned(values)))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn values_follow_the_marks_wherever_these_have_been_moved() {
        let params = [Value::Integer(1), Value::Text("b".into()), Value::Null];
        let of = |sql: &'static str| in_order(Bound { sql, params: &params, due: Instant::now() });
        let (text, values) = of("SELECT '?1', ?2, `?3` /* ?9 */ FROM t WHERE a = ?1 OR b = ?2").unwrap();
        assert_eq!(text, "SELECT '?1', ?, `?3` /* ?9 */ FROM t WHERE a = ? OR b = ?");
        assert_eq!(*values, [params[1].clone(), params[0].clone(), params[1].clone()]);
        let (text, values) = of("SELECT ?, ?").unwrap();
        assert_eq!((&*text, &*values), ("SELECT ?, ?", &params[..]));
        assert!(of("SELECT ?4").is_err());
        assert!(of("SELECT ?0").is_err());
    }
}
