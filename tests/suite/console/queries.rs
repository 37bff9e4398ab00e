//! `/query-dashboard`: statements, their plans, their answers, and the nodes that all hold everything.

use super::browser::{Browser, ENTER};
use super::{open, scene};

/// Writes a statement into the editor.
async fn write(browser: &Browser, statement: &str) {
    browser.overwrite("#sql", statement).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scattered_query_is_explained_as_a_picture_and_answered_as_a_table() {
    let databases = scene::divided().await;
    let browser = open(databases.world.admin(), "/query-dashboard").await;
    browser.sees("the entry", "document.getElementById('entry').value === 'people'").await;
    write(&browser, "SELECT department, COUNT(*), AVG(salary) FROM users GROUP BY department ORDER BY department")
        .await;
    browser.sees("its colours", "document.querySelectorAll('.colours .word').length >= 5").await;

    browser.click("#explain").await;
    browser.sees("a node for each shard", "document.querySelectorAll('#picture .node').length === 3").await;
    browser.sees("wires to them and from them", "document.querySelectorAll('#picture .wire').length === 6").await;
    browser.reads(".asked pre", "GROUP BY").await;
    browser.click("#picture details summary").await;
    browser.sees("all nodes as a table", "document.querySelectorAll('#picture details tbody tr').length === 3").await;
    browser.click("#picture details tbody tr:nth-child(2) button").await;
    browser.reads(".asked h3", "node-2").await;
    browser.sees("no answer", "document.getElementById('answer').hidden").await;

    browser.click("#sql").await;
    browser.press_with_control(ENTER).await;
    browser.sees("rows", "document.querySelectorAll('#results tbody tr').length > 2").await;
    browser
        .sees(
            "time and rows of each node",
            "[...document.querySelectorAll('#picture .node')].every((node) => /rows? · .* ms/.test(node.textContent))",
        )
        .await;
    browser.reads("#summary", "rows").await;
    browser.reads("#history", "AVG(salary)").await;
    browser.reads("#queries", "GROUP BY").await;

    // A double click is one statement, and one that was answered is shown where a browser keeps nothing.
    let ended = || async { databases.world.api("/api/queries").await["queries"][0]["id"].as_u64() };
    let before = ended().await;
    browser.eval("Storage.prototype.setItem = () => { throw new Error('no room') }").await;
    write(&browser, "SELECT COUNT(*) AS everybody FROM users").await;
    browser.sees("that it can be run", "!document.getElementById('run').hasAttribute('aria-busy')").await;
    browser.eval("[1, 2].forEach(() => document.getElementById('run').click())").await;
    browser.reads("#results td", "1000").await;
    browser.reads("#history", "everybody").await;
    assert_eq!(ended().await, before.map(|before| before + 1));

    write(&browser, "SELECT id, NULL AS missing FROM users ORDER BY id").await;
    browser.click("#run").await;
    browser.reads("#results td.null", "NULL").await;
    browser.reads("#results", "Show 200 more: 200 of 1,000").await;
    browser.click("#results .tables button").await;
    browser.sees("more rows", "document.querySelectorAll('#results tbody tr').length === 400").await;

    write(&browser, "SELEC 1").await;
    browser.click("#run").await;
    browser.reads("#said .notice[data-kind=bad]", "Refused").await;
    browser.sees("nothing of another answer", "document.getElementById('answer').hidden").await;
    drop(databases.nodes);
    browser.leaves_clean(databases.world.admin(), &[400, 422]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicated_nodes_show_where_they_are_and_can_be_compared() {
    let databases = scene::replicated().await;
    let browser = open(databases.world.admin(), "/query-dashboard").await;
    browser.sees("all of them up", "document.querySelectorAll('.replicas [data-state=UP]').length === 3").await;
    write(&browser, "UPDATE users SET salary = salary + 1 WHERE id = 1").await;
    browser.click("#run").await;
    browser.reads("#summary", "1 row changed").await;
    browser.sees("that all have it", "[...document.querySelectorAll('.replicas [data-part=place]')].every((place) => /position [1-9].*no lag/.test(place.textContent))").await;
    browser.click("#verify").await;
    browser.click("dialog button.danger").await;
    browser.reads("#nodes .checked", "all tables are equal").await;

    browser.click("[aria-label='Rebuild node-2']").await;
    browser.sees("a question", "document.querySelector('dialog') !== null").await;
    browser.click("dialog button:not(.danger)").await;
    browser.sees("that it is gone", "document.querySelector('dialog') === null").await;
    browser.click("#basics button").await;
    browser.sees("a basic statement", "document.getElementById('sql').value.startsWith('SELECT')").await;
    browser.leaves_clean(databases.world.admin(), &[]).await;
    drop(databases.nodes);
}
