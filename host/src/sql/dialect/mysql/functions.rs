//! Owns what is known of the functions of MySQL and MariaDB. One that is not listed is refused over several shards.

use sqlparser::ast::Function;

use super::super::Nature;
use super::super::lists::{Lists, argument_count};

/// Aggregates that partial results are combined of.
const COMBINED: &[&str] = &["count", "sum", "avg", "min", "max", "bit_and", "bit_or", "bit_xor"];
/// They are computed in doubles, one row after the other: in one place the digits are as good as the server's own.
#[rustfmt::skip]
const WHOLE: &[&str] = &["std", "stddev", "stddev_pop", "stddev_samp", "variance", "var_pop", "var_samp"];
const ORDERED: &[&str] = &["group_concat", "json_arrayagg", "json_objectagg", "any_value"];
#[rustfmt::skip]
const WINDOW: &[&str] = &[
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value",
    "nth_value", "median", "percentile_cont", "percentile_disc",
];
#[rustfmt::skip]
const STEADY: &[&str] = &[
    "abs", "acos", "asin", "atan", "atan2", "ceil", "ceiling", "cos", "cot", "crc32", "degrees", "exp", "floor", "ln", "log",
    "log10", "log2", "mod", "pi", "pow", "power", "radians", "round", "sign", "sin", "sqrt", "tan", "truncate",
    "ascii", "bin", "bit_length", "char_length", "character_length", "concat", "concat_ws", "elt", "field", "find_in_set",
    "format", "hex", "insert", "instr", "lcase", "left", "length", "octet_length", "locate", "lower", "lpad", "ltrim", "mid",
    "oct", "ord", "position", "quote", "repeat", "replace", "reverse", "right", "rpad", "rtrim", "soundex", "space", "strcmp",
    "substr", "substring", "substring_index", "trim", "ucase", "unhex", "upper", "weight_string",
    "regexp_instr", "regexp_replace", "regexp_substr", "regexp_like",
    "coalesce", "greatest", "if", "ifnull", "isnull", "least", "nullif", "interval", "cast", "convert",
    "adddate", "date_add", "date_sub", "subdate", "addtime", "subtime", "datediff", "timediff", "timestampadd", "timestampdiff",
    "date", "date_format", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear", "extract", "from_days", "hour",
    "last_day", "makedate", "maketime", "microsecond", "minute", "month", "monthname", "period_add", "period_diff", "quarter",
    "sec_to_time", "second", "str_to_date", "time_format", "time_to_sec", "to_days", "to_seconds", "week", "weekday",
    "weekofyear", "year", "yearweek",
    "md5", "sha", "sha1", "sha2", "to_base64", "from_base64", "compress", "uncompress",
    "json_extract", "json_unquote", "json_length", "json_type", "json_valid", "json_contains", "json_value",
    "inet_aton", "inet_ntoa", "inet6_aton", "inet6_ntoa",
];
#[rustfmt::skip]
const VOLATILE: &[&str] = &[
    "now", "sysdate", "curdate", "curtime", "current_date", "current_time", "current_timestamp", "localtime",
    "localtimestamp", "utc_date", "utc_time", "utc_timestamp", "unix_timestamp", "from_unixtime", "rand", "uuid",
    "uuid_short", "random_bytes", "connection_id", "last_insert_id", "found_rows", "row_count", "user", "current_user",
    "session_user", "system_user", "database", "schema", "version", "sleep", "benchmark", "get_lock", "release_lock",
    "is_free_lock", "is_used_lock", "load_file", "master_pos_wait", "current_role", "nextval", "lastval", "setval",
];

/// What they tell or change is the session's: its last number, its counts, its locks.
#[rustfmt::skip]
pub(super) const OF_SESSION: &[&str] = &[
    "last_insert_id", "found_rows", "row_count", "connection_id", "lastval", "get_lock", "release_lock",
    "release_all_locks", "ps_current_thread_id",
];

/// Known, and not without a trace in the session.
const LEAVING: &[&str] = &["last_insert_id", "get_lock", "release_lock", "benchmark", "nextval", "lastval", "setval"];

const LISTS: Lists = Lists { whole: WHOLE, ordered: ORDERED, volatile: VOLATILE, window: WINDOW, steady: STEADY };

/// Whether a function of this name is known, and leaves the session as it is.
pub(in crate::sql) fn leaves_session(name: &str) -> bool {
    let is_known = COMBINED.contains(&name) || LISTS.nature(name) != Nature::Unknown;
    is_known && !LEAVING.contains(&name)
}

/// What a call is.
pub(super) fn nature(function: &Function) -> Nature {
    let name = function.name.to_string().to_ascii_lowercase();
    match COMBINED.contains(&name.as_str()) {
        // `COUNT(DISTINCT a, b)` counts rows without NULL.
        true if argument_count(function) == 1 => Nature::Aggregate,
        true => Nature::Whole,
        false => LISTS.nature(&name),
    }
}

/// Whether a word is the name of an aggregate that partial results are combined of.
pub(super) fn is_combined(word: &str) -> bool {
    COMBINED.iter().any(|known| known.eq_ignore_ascii_case(word))
}
