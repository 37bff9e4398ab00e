//! The console in a real browser: each page against a real server, with nothing on the browser's console and no request to
//! anybody else.

mod access;
mod browser;
mod dashboard;
mod monitoring;
mod queries;
mod scaling;
mod scene;
mod shape;

use std::net::SocketAddr;

use browser::Browser;

/// The pages.
const PAGES: [&str; 4] = ["/", "/dashboard", "/scaling-ui", "/query-dashboard"];

/// A browser that shows a page of the console, and hears the stream.
async fn open(at: SocketAddr, page: &str) -> Browser {
    let browser = Browser::start().await;
    visit(&browser, at, page).await;
    browser
}

/// Goes to a page, and waits until it hears the stream.
async fn visit(browser: &Browser, at: SocketAddr, page: &str) {
    browser.go(&format!("http://{at}{page}")).await;
    browser.reads("#link", "Live").await;
}
