//! Owns PostgreSQL's functions that are not the same at each call.

use sqlparser::ast::Function;

use super::{SESSION, Verdict, count};
use crate::sql::replica::determine::clock::Clock;
use crate::sql::replica::determine::random::Random;

/// Functions that change something: sequences, locks, settings, large objects (besides those named `lo_…`, `pg_advisory…`).
#[rustfmt::skip]
pub(super) const WRITERS: &[&str] = &[
    "nextval", "setval", "set_config", "setseed", "pg_notify", "pg_try_advisory_lock", "pg_try_advisory_xact_lock",
    "pg_try_advisory_lock_shared", "pg_try_advisory_xact_lock_shared", "lowrite", "loread", "dblink_exec", "dblink", "query_to_xml",
    "pg_terminate_backend", "pg_cancel_backend", "pg_reload_conf", "pg_rotate_logfile", "pg_switch_wal", "pg_create_restore_point",
    "pg_promote", "pg_export_snapshot", "pg_logical_emit_message", "pg_stat_reset", "pg_file_write", "pg_import_system_collations",
    "txid_current", "pg_current_xact_id",
];

#[rustfmt::skip]
const STEADY: &[&str] = &[
    "jsonb_set", "jsonb_insert", "jsonb_build_object", "jsonb_build_array", "json_build_object", "json_build_array", "to_json",
    "to_jsonb", "jsonb_strip_nulls", "json_strip_nulls", "jsonb_pretty", "jsonb_object", "json_object", "jsonb_path_query_first",
    "jsonb_path_exists", "array_append", "array_prepend", "array_cat", "array_remove", "array_replace", "array_upper",
    "array_lower", "array_ndims", "array_positions", "string_to_array", "regexp_split_to_array", "timezone", "lower_inc",
    "upper_inc", "int4range", "int8range", "numrange", "daterange", "tsrange", "tstzrange", "get_bit", "set_bit", "get_byte",
    "set_byte", "crc32", "normalize", "bit_count", "to_tsvector", "to_tsquery", "plainto_tsquery",
];

/// Functions that answer several rows.
#[rustfmt::skip]
const ROWS: &[&str] = &[
    "generate_series", "unnest", "jsonb_array_elements", "jsonb_array_elements_text", "json_array_elements",
    "json_array_elements_text", "regexp_split_to_table", "string_to_table", "jsonb_each", "jsonb_each_text",
];

/// Functions of the C library, for floats.
#[rustfmt::skip]
const LIBRARY: &[&str] = &[
    "exp", "ln", "log", "log10", "pow", "power", "cbrt", "sin", "cos", "tan", "cot", "asin", "acos", "atan", "atan2", "erf",
    "erfc",
];

const CONFIGURED: &str = "it goes by a setting of the server: name the configuration, as in to_tsvector('english', …)";

const WITHOUT: &str = "it reads the day at each call: write age(current_date, …)";

pub(super) fn special(name: &str, function: &Function) -> Option<Verdict> {
    Some(match name {
        "now" | "transaction_timestamp" | "statement_timestamp" | "clock_timestamp" | "current_timestamp" => {
            Verdict::Clock(Clock::Moment)
        }
        "localtimestamp" => Verdict::Clock(Clock::Timestamp),
        "current_date" => Verdict::Clock(Clock::Date),
        "current_time" => Verdict::Clock(Clock::TimeWithZone),
        "localtime" => Verdict::Clock(Clock::Time),
        "timeofday" => Verdict::Clock(Clock::InWords),
        "age" if count(function) < 2 => Verdict::Refused(WITHOUT),
        "random" if count(function) == 0 => Verdict::Random(Some(Random::Fraction)),
        "gen_random_uuid" | "uuid_generate_v4" | "uuidv4" => Verdict::Random(Some(Random::Uuid)),
        "uuidv7" if count(function) == 0 => Verdict::Random(Some(Random::TimedUuid)),
        "gen_random_bytes" => Verdict::Random(Some(Random::Blob)),
        "random" | "random_normal" | "uuidv7" | "uuid_generate_v1" | "uuid_generate_v1mc" | "gen_salt" => {
            Verdict::Random(None)
        }
        "to_tsvector" | "to_tsquery" | "plainto_tsquery" if count(function) < 2 => Verdict::Refused(CONFIGURED),
        "currval" | "lastval" => Verdict::Refused(SESSION),
        _ if LIBRARY.contains(&name) => Verdict::Library,
        _ if ROWS.contains(&name) => Verdict::Rows,
        _ if STEADY.contains(&name) => Verdict::Steady,
        _ => return None,
    })
}
