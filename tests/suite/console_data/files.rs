//! The console's files.

use http::{Method, StatusCode};

use crate::world::{Client, Setup};

const PAGES: [&str; 4] = ["/", "/dashboard", "/scaling-ui", "/query-dashboard"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_are_served_with_a_strict_policy_and_sent_again_only_when_they_differ() {
    let world = Setup::new().origins(1).start().await;
    let mut client = Client::connect(world.admin()).await;
    for path in PAGES.into_iter().chain(["/console/app.css", "/console/app.js"]) {
        let page = client.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let header = |name: &str| page.headers[name].to_str().expect("text").to_owned();
        assert!(header("content-security-policy").starts_with("default-src 'none'; script-src 'self'"), "{path}");
        assert_eq!(
            (header("x-content-type-options"), header("referrer-policy")),
            ("nosniff".into(), "no-referrer".into())
        );
        assert_eq!(header("cache-control"), "no-cache");
        let is_page = PAGES.contains(&path);
        assert_eq!(header("content-type").starts_with("text/html"), is_page, "{path}: {}", header("content-type"));

        let tag = header("etag");
        let again = client.send(Method::GET, path, &[("if-none-match", &tag)], "".into()).await;
        assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0), "{path}");
        let head = client.send(Method::HEAD, path, &[], "".into()).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
        assert_eq!(head.headers["content-length"].to_str().ok(), Some(page.body.len().to_string().as_str()), "{path}");
    }
    assert_eq!(client.get("/console/none.js").await.status, StatusCode::NOT_FOUND);
    assert_eq!(client.send(Method::POST, "/dashboard", &[], "".into()).await.status, StatusCode::METHOD_NOT_ALLOWED);
}
