//! Owns turning parameters into what the driver sends. The server takes each as what it is and not as what it is compared
//! with, so a decimal, which the driver can only send as text, would be compared as a double: it is refused there.

use mysql_async::Params;
use mysql_async::Value as Sent;

use crate::sql::backend::{Fault, FaultKind};
use crate::sql::value::Value;

/// The parameters that a statement takes: the first of those given.
pub(super) fn params(values: &[Value], taken: usize, is_insert: bool) -> Result<Params, Fault> {
    if values.len() < taken {
        let why = format!("the statement takes {taken} parameters, {} are given", values.len());
        return Err(Fault::new(FaultKind::Statement, why));
    }
    let each = values.iter().take(taken).enumerate().map(|(index, value)| {
        sent(value, is_insert)
            .map_err(|why| Fault::new(FaultKind::Unsupported, format!("parameter {}: {why}", index + 1)))
    });
    let sent: Vec<Sent> = each.collect::<Result<_, _>>()?;
    Ok(if sent.is_empty() { Params::Empty } else { Params::Positional(sent) })
}

/// A value to be stored in a column.
pub(super) fn stored(value: &Value) -> Result<Sent, Fault> {
    sent(value, true).map_err(|why| Fault::new(FaultKind::Unsupported, why))
}

fn sent(value: &Value, is_stored: bool) -> Result<Sent, &'static str> {
    Ok(match value {
        Value::Null => Sent::NULL,
        Value::Bool(value) => Sent::Int(i64::from(*value)),
        Value::Integer(value) => Sent::Int(*value),
        Value::Real(value) if !value.is_finite() => return Err("the server has no such double"),
        Value::Real(value) => Sent::Double(*value),
        Value::Text(value) => Sent::Bytes(value.clone().into_bytes()),
        Value::Blob(value) => Sent::Bytes(value.clone()),
        Value::Decimal(value) => match (value.parse::<i64>(), value.parse::<u64>()) {
            (Ok(value), _) => Sent::Int(value),
            (_, Ok(value)) => Sent::UInt(value),
            _ if is_stored => Sent::Bytes(value.clone().into_bytes()),
            _ => return Err("a decimal would be compared as a double: write it into the statement, or CAST a text"),
        },
    })
}

/// The text such that the driver leaves it as it is. It would replace `:name` by a parameter, also within a string where it
/// misreads the quotes; after an empty comment, which it does not see the end of, it reads nothing more of the text until
/// another comment ends.
pub(super) fn verbatim(sql: &str) -> Result<String, Fault> {
    let after_comment = sql.split_once("*/").map_or("", |(_, rest)| rest);
    let names = |pair: &[u8]| matches!(pair, [b':', b'a'..=b'z' | b'_']);
    if after_comment.as_bytes().windows(2).any(names) {
        let why = "a colon before a name, after a comment: leave the comment out";
        return Err(Fault::new(FaultKind::Unsupported, why));
    }
    Ok(format!("/**/{sql}"))
}

/// Whether parameters of this statement can only be stored, and are compared with nothing.
pub(super) fn is_plain_insert(sql: &str) -> bool {
    let mut words = sql.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let is_insert = words.next().is_some_and(|word| matches!(word.to_ascii_uppercase().as_str(), "INSERT" | "REPLACE"));
    is_insert && words.all(|word| !["SELECT", "DUPLICATE"].iter().any(|other| word.eq_ignore_ascii_case(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_is_text_only_where_it_is_stored() {
        let decimal = [Value::Decimal("1.50".to_owned())];
        assert_eq!(params(&decimal, 1, true), Ok(Params::Positional(vec![Sent::Bytes(b"1.50".to_vec())])));
        let fault = params(&decimal, 1, false).unwrap_err();
        assert!(fault.message.starts_with("parameter 1:"), "{fault}");
        assert_eq!(params(&decimal, 0, false), Ok(Params::Empty));
        let large = [Value::Decimal(u64::MAX.to_string())];
        assert_eq!(params(&large, 1, false), Ok(Params::Positional(vec![Sent::UInt(u64::MAX)])));
        assert!(params(&[], 1, false).is_err());
    }

    #[test]
    fn a_text_with_colons_is_left_as_it_is() {
        assert_eq!(verbatim("SELECT 1-'a:b'"), Ok("/**/SELECT 1-'a:b'".to_owned()));
        assert!(verbatim("SELECT /* x */ 1").is_ok());
        assert!(verbatim("SELECT /* x */ 1-'a:b'").is_err());
    }

    #[test]
    fn an_insert_that_asks_for_rows_or_updates_compares() {
        assert!(is_plain_insert("INSERT INTO t (a) VALUES (?)"));
        assert!(is_plain_insert("\n replace into t values (?, 'x')"));
        assert!(!is_plain_insert("INSERT INTO t SELECT * FROM u WHERE a = ?"));
        assert!(!is_plain_insert("INSERT INTO t VALUES (?) ON DUPLICATE KEY UPDATE a = a + ?"));
        assert!(!is_plain_insert("UPDATE t SET a = ?"));
    }
}
