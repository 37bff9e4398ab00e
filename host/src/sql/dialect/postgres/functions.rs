//! Owns what is known of PostgreSQL's functions. What is not listed (a function of the user's own, one that answers a set of
//! rows, one that reads the server's state) is refused over several shards.

use sqlparser::ast::{Expr, Function, FunctionArgumentClause, FunctionArguments};

use super::super::lists::Lists;
use super::super::{Nature, arguments};

pub(super) const AGGREGATES: &[&str] = &[
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "bool_and",
    "bool_or",
    "every",
    "bit_and",
    "bit_or",
    "bit_xor",
    "stddev",
    "stddev_samp",
    "stddev_pop",
    "variance",
    "var_samp",
    "var_pop",
];
#[rustfmt::skip]
const WHOLE: &[&str] = &[
    "corr", "covar_pop", "covar_samp", "regr_avgx", "regr_avgy", "regr_count", "regr_intercept", "regr_r2", "regr_slope",
    "regr_sxx", "regr_sxy", "regr_syy", "percentile_cont", "percentile_disc",
];
#[rustfmt::skip]
const ORDERED: &[&str] = &[
    "string_agg", "array_agg", "json_agg", "jsonb_agg", "json_object_agg", "jsonb_object_agg", "xmlagg", "mode",
];
#[rustfmt::skip]
const WINDOW: &[&str] = &[
    "row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "first_value", "last_value",
    "nth_value",
];
#[rustfmt::skip]
const VOLATILE: &[&str] = &[
    "random", "setseed", "now", "clock_timestamp", "statement_timestamp", "transaction_timestamp", "timeofday",
    "current_timestamp", "current_date", "current_time", "localtime", "localtimestamp", "gen_random_uuid", "nextval",
    "currval", "lastval", "setval", "txid_current", "pg_current_xact_id", "pg_backend_pid", "pg_sleep", "version",
    "current_database", "current_schema", "current_setting", "set_config", "inet_server_addr", "inet_server_port",
    "pg_postmaster_start_time", "pg_relation_size", "pg_total_relation_size", "pg_table_size", "pg_database_size",
    "current_user", "session_user", "user", "current_role", "current_catalog", "uuid_generate_v4",
];
#[rustfmt::skip]
const STEADY: &[&str] = &[
    // Numbers.
    "abs", "acos", "asin", "atan", "atan2", "cbrt", "ceil", "ceiling", "cos", "cot", "degrees", "div", "exp", "factorial",
    "floor", "gcd", "lcm", "ln", "log", "log10", "min_scale", "mod", "pi", "pow", "power", "radians", "round", "scale",
    "sign", "sin", "sqrt", "tan", "trim_scale", "trunc", "width_bucket",
    // Text and bytes.
    "ascii", "bit_length", "btrim", "char_length", "character_length", "chr", "concat", "concat_ws", "decode", "encode",
    "format", "initcap", "left", "length", "lower", "lpad", "ltrim", "md5", "octet_length", "overlay", "position",
    "quote_ident", "quote_literal", "quote_nullable", "regexp_count", "regexp_instr", "regexp_like", "regexp_replace",
    "regexp_substr", "repeat", "replace", "reverse", "right", "rpad", "rtrim", "sha224", "sha256", "sha384", "sha512",
    "split_part", "starts_with", "strpos", "substr", "substring", "to_hex", "translate", "trim", "upper",
    // Conditions.
    "coalesce", "greatest", "least", "nullif", "num_nonnulls", "num_nulls",
    // Dates and times.
    "age", "date_bin", "date_part", "date_trunc", "extract", "isfinite", "justify_days", "justify_hours",
    "justify_interval", "make_date", "make_interval", "make_time", "make_timestamp", "to_char", "to_date", "to_number",
    "to_timestamp",
    // JSON and arrays.
    "array_length", "array_position", "array_to_string", "cardinality", "json_array_length", "json_extract_path",
    "json_extract_path_text", "json_typeof", "jsonb_array_length", "jsonb_extract_path", "jsonb_extract_path_text",
    "jsonb_typeof",
];

/// What they tell or change is the session's: its last number, its settings, its process.
#[rustfmt::skip]
pub(super) const OF_SESSION: &[&str] = &[
    "currval", "lastval", "pg_backend_pid", "set_config", "setseed", "pg_my_temp_schema", "pg_listening_channels",
    "inet_client_addr", "inet_client_port",
];

/// Known to the backend only: they answer sets of rows, or depend on more than their arguments.
#[rustfmt::skip]
const HARMLESS: &[&str] = &[
    "generate_series", "unnest", "to_json", "to_jsonb", "row_to_json", "json_build_object", "jsonb_build_object",
    "json_build_array", "jsonb_build_array", "json_array_elements", "jsonb_array_elements", "regexp_matches",
    "regexp_match", "regexp_split_to_table", "string_to_array", "pg_typeof", "format_type",
];
/// Known, and not without a trace in the session.
const LEAVING: &[&str] = &["setseed", "set_config", "nextval", "setval"];

const LISTS: Lists = Lists { whole: WHOLE, ordered: ORDERED, volatile: VOLATILE, window: WINDOW, steady: STEADY };

/// Whether a function of this name is known, and leaves the session as it is.
pub(in crate::sql) fn leaves_session(name: &str) -> bool {
    let is_known = AGGREGATES.contains(&name) || HARMLESS.contains(&name) || LISTS.nature(name) != Nature::Unknown;
    is_known && !LEAVING.contains(&name)
}

/// What a call is.
pub(super) fn nature(function: &Function) -> Nature {
    let name = name(function);
    let count = arguments(function).map_or(0, |given| given.len());
    let is_set = !function.within_group.is_empty();
    if AGGREGATES.contains(&name.as_str()) && !is_set && (count == 1 || is_count_all(function, &name)) {
        return Nature::Aggregate;
    }
    match LISTS.nature(&name) {
        Nature::Ordered if has_own_order(function) => Nature::Whole,
        // Of one moment it is the age at this one.
        Nature::Steady if name == "age" && count < 2 => Nature::Volatile,
        nature => nature,
    }
}

/// A function's name as the server compares it; a qualified one is none that is known.
pub(super) fn name(function: &Function) -> String {
    match function.name.0.as_slice() {
        [only] => only.as_ident().map_or_else(String::new, super::names::folded),
        _ => function.name.to_string(),
    }
}

fn is_count_all(function: &Function, name: &str) -> bool {
    use sqlparser::ast::{FunctionArg, FunctionArgExpr};
    let FunctionArguments::List(list) = &function.args else { return false };
    name == "count" && matches!(list.args.as_slice(), [FunctionArg::Unnamed(FunctionArgExpr::Wildcard)])
}

/// Whether an aggregate sorts its rows by its own argument, so that rows of equal rank are the same to it.
fn has_own_order(function: &Function) -> bool {
    let FunctionArguments::List(list) = &function.args else { return false };
    let given = arguments(function).unwrap_or_default();
    let Some(first) = given.first() else { return false };
    let is_plain = given.iter().skip(1).all(|other| matches!(other, Expr::Value(_)));
    let sorted = list.clauses.iter().any(|clause| match clause {
        FunctionArgumentClause::OrderBy(terms) => terms.iter().any(|term| term.expr == **first),
        _ => false,
    });
    is_plain && sorted
}
