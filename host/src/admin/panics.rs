//! What a handler that panics answers: a problem, as everything else that goes wrong.

use std::panic::AssertUnwindSafe;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt as _;

use super::problem::Problem;

/// Answers in the place of what panics. Nothing that a handler changes is half changed then: each change is one swap.
pub(super) async fn catch(request: Request, next: Next) -> Response {
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answered.unwrap_or_else(|_| Problem::broken().into_response())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::{Router, middleware, routing};
    use tower_service::Service as _;

    use super::*;

    #[tokio::test]
    async fn a_panic_is_answered_by_a_problem() {
        let mut router = Router::new()
            .route("/", routing::get(|| async { panic!("as asked") as () }))
            .layer(middleware::from_fn(catch));
        let reply = router.call(Request::new(Body::empty())).await.unwrap();
        assert_eq!(reply.status().as_u16(), 500);
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
    }
}
