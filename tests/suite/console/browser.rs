//! A browser: Chromium without a window, spoken to by chromedriver in the words of W3C WebDriver. It keeps what the pages
//! wrote to its console and whom they asked, and ends with the test.

use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use bytes::Bytes;
use http::Method;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::Program;
use crate::world::{Client, eventually, send};

/// No sandbox, since tests may be root; and nothing that Chromium does by itself.
const ARGUMENTS: [&str; 10] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
];

/// How WebDriver calls the member that has the number of an element (W3C WebDriver, section 12).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// How it calls the tabulator (section 17.4.2).
pub(super) const TAB: &str = "\u{E004}";
const CONTROL: &str = "\u{E009}";
pub(super) const ENTER: &str = "\u{E007}";
pub(super) const ESCAPE: &str = "\u{E00C}";

/// A browser with one page.
pub(super) struct Browser {
    /// Leads the group of processes that Chromium is in, too.
    driver: Program,
    at: SocketAddr,
    session: String,
    _profile: TempDir,
}

impl Browser {
    /// Starts it; that one of the two programs is missing is a failure.
    pub(super) async fn start() -> Self {
        let profile = tempfile::Builder::new().prefix("leverframe-browser-").tempdir().expect("a folder");
        let mut driver = Command::new("chromedriver");
        // What it and Chromium put aside goes with the profile; and Chromium, which would outlive it, with its group.
        driver.args(["--port=0", "--log-level=SEVERE"]).env("TMPDIR", profile.path()).process_group(0);
        let mut driver = Program::start(&mut driver);
        let port = |output: &str| {
            let after = output.split("started successfully on port ").nth(1)?;
            after.split('.').next()?.trim().parse::<u16>().ok()
        };
        let at = SocketAddr::from(([127, 0, 0, 1], driver.says("where it is", port).await));
        let folder = format!("--user-data-dir={}", profile.path().display());
        let arguments: Vec<&str> = ARGUMENTS.into_iter().chain([folder.as_str(), "--window-size=1280,900"]).collect();
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        } } });
        let reply = send(at, Method::POST, "/session", wanted.to_string()).await;
        assert!(reply.status.is_success(), "Chromium does not start: {}", reply.text());
        let session = reply.json()["value"]["sessionId"].as_str().expect("a session").to_owned();
        Self { driver, at, session, _profile: profile }
    }

    /// A command of WebDriver; one that fails has an `error`.
    async fn command(&self, method: Method, path: &str, body: Option<Value>) -> Value {
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let path = format!("/session/{}/{path}", self.session);
        Client::connect(self.at).await.send(method, &path, &[], body).await.json()["value"].clone()
    }

    async fn post(&self, path: &str, body: Value) -> Value {
        let answer = self.command(Method::POST, path, Some(body)).await;
        assert!(answer.get("error").is_none(), "{path}: {answer:#}");
        answer
    }

    /// Goes to a page.
    pub(super) async fn go(&self, page: &str) {
        self.post("url", json!({ "url": page })).await;
    }

    /// The value of an expression in the page.
    pub(super) async fn eval(&self, expression: &str) -> Value {
        self.post("execute/sync", json!({ "script": format!("return ({expression})"), "args": [] })).await
    }

    /// A command of Chromium's own protocol.
    async fn chromium(&self, name: &str, parameters: Value) -> Value {
        self.post("goog/cdp/execute", json!({ "cmd": name, "params": parameters })).await
    }

    /// Makes the page so wide, as a phone or a desk has it.
    pub(super) async fn resize(&self, width: u32, height: u32) {
        let shape = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.chromium("Emulation.setDeviceMetricsOverride", shape).await;
    }

    /// Waits until an expression in the page is true.
    pub(super) async fn sees(&self, what: &str, expression: &str) {
        let look = || async { (self.eval(expression).await == Value::Bool(true)).then_some(()) };
        eventually(&format!("the page shows {what}: {expression}"), look).await;
    }

    /// Waits until the first element of that selector has a text with these words.
    pub(super) async fn reads(&self, selector: &str, words: &str) {
        let [selector, words] = [selector, words].map(|text| Value::from(text).to_string());
        let expression = format!("(document.querySelector({selector})?.textContent ?? '').includes({words})");
        self.sees(&words, &expression).await;
    }

    /// The element of that selector, once there is one.
    async fn find(&self, selector: &str) -> String {
        let wanted = json!({ "using": "css selector", "value": selector });
        let look = || async {
            let found = self.command(Method::POST, "element", Some(wanted.clone())).await;
            found[ELEMENT].as_str().map(str::to_owned)
        };
        eventually(&format!("an element {selector}"), look).await
    }

    /// Clicks it as a person would, once it can be clicked: in sight, enabled, not busy, and under nothing else.
    pub(super) async fn click(&self, selector: &str) {
        self.sees(
            "what is to be clicked",
            &format!(
                "document.querySelector({selector:?})?.matches(':is(:enabled, a, summary):not([aria-busy])') ?? false"
            ),
        )
        .await;
        // By itself chromedriver may scroll it to under the header.
        self.eval(&format!("document.querySelector({selector:?}).scrollIntoView({{ block: 'center' }})")).await;
        let look = || async {
            let element = self.find(selector).await;
            let path = format!("element/{element}/click");
            self.command(Method::POST, &path, Some(json!({}))).await.is_null().then_some(())
        };
        eventually(&format!("{selector} can be clicked"), look).await;
    }

    /// Types into it. For the field of a file: its path.
    pub(super) async fn type_in(&self, selector: &str, text: &str) {
        let element = self.find(selector).await;
        self.post(&format!("element/{element}/value"), json!({ "text": text })).await;
    }

    /// Types in the place of what a field has.
    pub(super) async fn overwrite(&self, selector: &str, text: &str) {
        self.eval(&format!("document.querySelector({selector:?}).focus()")).await;
        self.keys(&[("keyDown", CONTROL), ("keyDown", "a"), ("keyUp", "a"), ("keyUp", CONTROL)]).await;
        let keys: Vec<String> = text.chars().map(String::from).collect();
        let strokes: Vec<_> =
            keys.iter().flat_map(|key| [("keyDown", key.as_str()), ("keyUp", key.as_str())]).collect();
        self.keys(&strokes).await;
    }

    /// Presses a key, wherever the focus is.
    pub(super) async fn press(&self, key: &str) {
        self.keys(&[("keyDown", key), ("keyUp", key)]).await;
    }

    /// Presses a key together with Control.
    pub(super) async fn press_with_control(&self, key: &str) {
        self.keys(&[("keyDown", CONTROL), ("keyDown", key), ("keyUp", key), ("keyUp", CONTROL)]).await;
    }

    async fn keys(&self, keys: &[(&str, &str)]) {
        let actions: Vec<Value> = keys.iter().map(|(kind, key)| json!({ "type": kind, "value": key })).collect();
        self.post("actions", json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] })).await;
    }

    /// Ends with nothing amiss: no page has written an error to the console, and none has asked anybody but `home`. A
    /// status that the test brought about, such as 422, is no error.
    pub(super) async fn leaves_clean(self, home: SocketAddr, brought_about: &[u16]) {
        let lines = self.post("se/log", json!({ "type": "browser" })).await;
        let expected = |line: &Value| {
            let message = line["message"].as_str().unwrap_or_default();
            let status = |status: &u16| message.contains(&format!("with a status of {status} "));
            line["source"] == "network" && brought_about.iter().any(status)
        };
        let lines = lines.as_array().expect("lines");
        let bad: Vec<_> = lines.iter().filter(|line| !expected(line)).collect();
        assert!(bad.is_empty(), "the browser's console: {bad:#?}");
        let asked = self.asked().await;
        let foreign: Vec<_> = asked.iter().filter(|url| !is_at_home(url, home)).collect();
        assert!(foreign.is_empty() && !asked.is_empty(), "asked elsewhere: {foreign:#?}");
    }

    /// Every address that pages have asked.
    async fn asked(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "performance" })).await;
        let message = |line: &Value| serde_json::from_str::<Value>(line["message"].as_str()?).ok();
        let messages = log.as_array().expect("lines").iter().filter_map(message);
        let sent = messages.filter(|line| line["message"]["method"] == "Network.requestWillBeSent");
        sent.filter_map(|line| line["message"]["params"]["request"]["url"].as_str().map(str::to_owned)).collect()
    }
}

/// Whether an address is of the server that the pages are from, or of what has no server: the page that Chromium begins
/// with is its own.
fn is_at_home(url: &str, home: SocketAddr) -> bool {
    let own = ["data:", "about:", "chrome:"];
    url.starts_with(&format!("http://{home}/")) || own.iter().any(|own| url.starts_with(own))
}

impl Drop for Browser {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, which is as well.
        let group = i32::try_from(self.driver.id()).ok().and_then(Pid::from_raw);
        let _ = group.map(|group| kill_process_group(group, Signal::KILL));
    }
}
