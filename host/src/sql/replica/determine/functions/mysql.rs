//! Owns the functions of MySQL and MariaDB that are not the same at each call. Those that follow the session's variable
//! `timestamp` are: it is set for each entry.

use sqlparser::ast::Function;

use super::{SESSION, Verdict, count};
use crate::sql::replica::determine::clock::Clock;
use crate::sql::replica::determine::random::Random;

/// Functions that change something.
#[rustfmt::skip]
pub(super) const WRITERS: &[&str] = &[
    "nextval", "setval", "get_lock", "release_lock", "release_all_locks", "load_file", "sleep", "benchmark", "master_pos_wait",
    "master_gtid_wait", "source_pos_wait", "wait_for_executed_gtid_set", "service_get_read_locks", "service_get_write_locks",
    "service_release_locks", "sys_exec", "sys_eval",
];

/// Read from the session's variable.
#[rustfmt::skip]
const SET: &[&str] = &[
    "now", "current_timestamp", "localtime", "localtimestamp", "curdate", "current_date", "curtime", "current_time",
    "utc_date", "utc_time", "utc_timestamp", "unix_timestamp", "from_unixtime",
];

#[rustfmt::skip]
const STEADY: &[&str] = &[
    "values", "value", "json_set", "json_insert", "json_replace", "json_remove", "json_object", "json_array", "json_quote",
    "json_array_append", "json_array_insert", "json_merge_patch", "json_merge_preserve", "json_keys", "json_search",
    "json_depth", "json_exists", "json_query", "char", "chr", "conv", "export_set", "make_set", "bit_count", "nvl", "nvl2",
    "timestamp", "time", "uuid_to_bin", "bin_to_uuid", "is_uuid", "is_ipv4", "is_ipv6", "get_format", "to_char",
    "natural_sort_key", "charset", "collation", "coercibility",
];

/// Functions of the C library, and of zlib.
#[rustfmt::skip]
const LIBRARY: &[&str] = &[
    "exp", "ln", "log", "log2", "log10", "pow", "power", "sin", "cos", "tan", "cot", "asin", "acos", "atan", "atan2", "compress",
];

pub(super) fn special(name: &str, function: &Function) -> Option<Verdict> {
    Some(match name {
        "sysdate" => Verdict::Clock(Clock::Timestamp),
        "rand" if count(function) == 0 => Verdict::Random(Some(Random::Fraction)),
        "uuid" | "uuid_v4" => Verdict::Random(Some(Random::Uuid)),
        "uuid_v7" => Verdict::Random(Some(Random::TimedUuid)),
        "sys_guid" => Verdict::Random(Some(Random::BareUuid)),
        "uuid_short" => Verdict::Random(Some(Random::Integer)),
        "random_bytes" => Verdict::Random(Some(Random::Blob)),
        // With a seed: the same numbers, one for each row, in the order in which rows come.
        "rand" | "gen_salt" | "encrypt" => Verdict::Random(None),
        "last_insert_id" | "lastval" | "is_free_lock" | "is_used_lock" | "row_count" | "found_rows" => {
            Verdict::Refused(SESSION)
        }
        _ if LIBRARY.contains(&name) => Verdict::Library,
        _ if SET.contains(&name) || STEADY.contains(&name) => Verdict::Steady,
        _ => return None,
    })
}
