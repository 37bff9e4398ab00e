//! One set of laws for all that stands behind the SQL entry: what a backend gives back, how it ends, and what it is after a
//! failure. Each law is run against each backend, with the real server behind it; a new backend is a server here.

mod http;
mod laws;
mod mariadb;
mod postgres;
mod server;
mod sqlite;

/// Every law as a test of its own, against servers of one kind.
macro_rules! laws {
    ($($law:ident),+ $(,)?) => {
        /// All laws, with `$start` to start a server.
        macro_rules! every_law {
            ($start:expr) => {
                $(
                    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                    async fn $law() {
                        crate::sql::backends::laws::$law(&$start.await).await;
                    }
                )+
            };
        }
        use every_law;
    };
}

laws!(
    values_of_every_kind_come_back_as_they_went,
    columns_are_known_before_rows_and_without_any,
    a_hundred_thousand_rows_come_in_order,
    rows_come_while_the_statement_runs,
    a_deadline_ends_a_statement_and_the_session_is_usable,
    a_stream_that_is_dropped_ends_its_statement,
    a_query_that_is_dropped_ends_its_statement,
    the_pool_has_a_limit_and_waits_until_due,
    a_failed_statement_leaves_the_session_usable,
    two_statements_in_one_text_are_refused,
    a_query_cannot_write,
    a_connection_that_is_lost_is_replaced,
    a_transaction_is_kept_or_taken_back_whole,
    a_write_answers_rows_within_a_transaction,
    a_session_that_is_dropped_takes_its_transaction_back,
    rows_are_loaded_and_asked_in_one_transaction,
    what_was_loaded_is_gone_afterwards,
    a_shape_is_what_was_declared,
    parameters_that_are_missing_are_an_error,
);
