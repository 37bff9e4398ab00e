//! Who may see and who may command: the token is asked for, a wrong one is told, and one that may only read cannot write.

use super::browser::{Browser, ESCAPE};
use crate::world::{Process, Setup};

/// A Leverframe that asks who is there.
async fn guarded() -> Process {
    Setup::new()
        .spawn(&[
            ("LEVERFRAME_ADMIN_TOKEN", "write-token-0123456789"),
            ("LEVERFRAME_ADMIN_READ_TOKEN", "read-token-0123456789"),
        ])
        .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_token_is_told_and_a_right_one_opens() {
    let process = guarded().await;
    let browser = Browser::start().await;
    browser.go(&format!("http://{}/dashboard", process.admin())).await;
    browser.reads("dialog", "Token needed").await;
    browser.reads("#link", "Token needed").await;
    // No header can hold it, so that it cannot be asked with.
    browser.type_in("#token", "wröng").await;
    browser.click("dialog button").await;
    browser.reads("dialog .bad", "ASCII").await;
    for _ in 0..3 {
        browser.press(ESCAPE).await;
    }
    browser.sees("that it is still asked", "document.querySelector('dialog')?.open ?? false").await;
    browser.overwrite("#token", "wrong").await;
    browser.click("dialog button").await;
    browser.reads("dialog .bad", "not accepted").await;
    browser.type_in("#token", "write-token-0123456789").await;
    browser.click("dialog button").await;
    browser.reads("#link", "Live").await;
    browser.click("[aria-label='Drain node-1']").await;
    browser.sees("that it drains", "document.querySelector('.manage .long [data-state=DRAINING]') !== null").await;
    browser.click("#change-token").await;
    browser.type_in("#token", "read-token-0123456789").await;
    browser.click("dialog button.primary").await;
    browser.sees("that it may only read now", "!document.getElementById('access').hidden").await;
    browser.leaves_clean(process.admin(), &[401]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_only_read_is_told_so_and_can_command_nothing() {
    let process = guarded().await;
    let browser = Browser::start().await;
    browser.go(&format!("http://{}/dashboard", process.admin())).await;
    browser.type_in("#token", "read-token-0123456789").await;
    browser.click("dialog button").await;
    browser.reads("#link", "Live").await;
    browser.sees("that it is so", "!document.getElementById('access').hidden").await;
    browser.sees("the endpoints", "document.querySelectorAll('.manage .long .row').length === 3").await;
    browser
        .sees(
            "that nothing can be done",
            "[...document.querySelectorAll('fieldset[data-write]')].every((set) => set.disabled)",
        )
        .await;
    browser
        .sees("that nothing can be clicked", "document.querySelector('[data-part=drain]').matches(':disabled')")
        .await;
    browser.leaves_clean(process.admin(), &[401]).await;
}
