//! All pages: on a phone nothing has to be pushed sideways, all that matters can be reached by keyboard, both sets of
//! colours can be read.

use super::browser::TAB;
use super::{PAGES, open, scene, visit};
use crate::world::{Setup, eventually};

/// Wide enough for more, and narrow as phones are.
const WIDTHS: [u32; 2] = [1280, 360];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_is_wider_than_the_screen() {
    let databases = scene::divided().await;
    let at = databases.world.admin();
    let browser = open(at, "/").await;
    for width in WIDTHS {
        browser.resize(width, 800).await;
        for page in PAGES {
            visit(&browser, at, page).await;
            browser.sees("what it is for", "document.querySelector('main h1') !== null").await;
            let over = "document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.eval(over).await, 0, "{page} at {width} pixels is so much too wide");
        }
    }
    drop(databases.nodes);
    browser.leaves_clean(at, &[]).await;
}

/// What the tabulator leads to, by name or text, until it comes back to the beginning.
const FOCUS: &str = "(() => { const at = document.activeElement; return at === document.body ? '' : \
    (at.getAttribute('aria-label') ?? at.textContent.trim() ?? '') + '#' + at.id; })()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_main_commands_are_reached_by_keyboard() {
    let world = Setup::new().start().await;
    let at = world.admin();
    let browser = open(at, "/dashboard").await;
    browser.sees("the endpoints", "document.querySelectorAll('.manage .long .row').length === 3").await;
    browser.eval("document.activeElement.blur()").await;
    let mut met = Vec::new();
    for _ in 0..60 {
        browser.press(TAB).await;
        let name = browser.eval(FOCUS).await.as_str().unwrap_or_default().to_owned();
        let outline = browser.eval("getComputedStyle(document.activeElement).outlineStyle").await;
        assert!(name.is_empty() || outline != "none", "where the focus is can be seen: {name}");
        met.push(name);
    }
    let wanted = [
        "Skip to the content",
        "Monitoring",
        "Queries",
        "Drain node-1",
        "Disable node-3",
        "Switch the strategy of web",
        "Choose files",
        "Logs: ",
    ];
    for wanted in wanted {
        assert!(met.iter().any(|name| name.contains(wanted)), "{wanted} is not among {met:#?}");
    }
    browser.leaves_clean(at, &[]).await;
}

/// The least ratio of the contrast of any text that is shown to what is behind it, as WCAG 2.1 has it.
const CONTRAST: &str = r#"(() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const read = (colour) => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => [r, g, b].map((part) => part / 255).map((part) => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)).reduce((sum, part, nth) => sum + part * [0.2126, 0.7152, 0.0722][nth], 0);
  const behind = (node) => { for (let at = node; at; at = at.parentElement) { const colour = read(getComputedStyle(at).backgroundColor); if (colour[3] > 200) return colour; } return [255, 255, 255, 255]; };
  const poor = [];
  for (const node of document.querySelectorAll("main *, header *")) {
    const own = [...node.childNodes].some((child) => child.nodeType === 3 && child.data.trim() !== "");
    if (!own || node.closest("svg, :disabled, option") || node.offsetParent === null) continue;
    const [one, other] = [light(read(getComputedStyle(node).color)), light(behind(node))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) poor.push(`${node.tagName}.${node.className} "${node.textContent.slice(0, 30)}" ${ratio.toFixed(2)}`);
  }
  return poor;
})()"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn light_and_dark_have_contrast_enough() {
    let databases = scene::divided().await;
    let at = databases.world.admin();
    let browser = open(at, "/").await;
    for other in ["dark", "light"] {
        let before = browser.eval("getComputedStyle(document.body).backgroundColor").await;
        browser.click("button.icon").await;
        let changed = || async {
            let now = browser.eval("getComputedStyle(document.body).backgroundColor").await;
            (now != before).then_some(())
        };
        eventually("other colours", changed).await;
        for page in PAGES {
            visit(&browser, at, page).await;
            browser.sees("the same choice", &format!("document.documentElement.dataset.theme === '{other}'")).await;
            // Buttons change their colour by and by.
            browser.sees("contrast enough of all text", &format!("{CONTRAST}.length === 0")).await;
        }
    }
    drop(databases.nodes);
    browser.leaves_clean(at, &[]).await;
}
