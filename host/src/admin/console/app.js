// What all pages share: the header with its navigation, how the connection stands, what may be done, and the beginning of
// the stream.

import { onTokenNeeded, token } from "./api.js";
import { askForToken, changeToken } from "./dialogs.js";
import { attr, byId, el, show, svg, text } from "./dom.js";
import { counted } from "./format.js";
import { canWrite, store, watch } from "./store.js";
import { follow, reconnect } from "./stream.js";
import { onTheme, theme, toggle } from "./theme.js";

const PAGES = [
  ["/", "Monitoring"],
  ["/dashboard", "Dashboard"],
  ["/scaling-ui", "Scaling"],
  ["/query-dashboard", "Queries"],
];

const LINKS = { connecting: "Connecting", live: "Live", reconnecting: "Reconnecting", locked: "Token needed", refused: "Refused", paused: "Paused" };

/** Builds the header and begins to listen. */
export function begin() {
  const top = header();
  onTokenNeeded(askForToken);
  watch(["link"], () => showLink(top));
  watch(["overview"], () => showOverview(top));
  watch(["overview", "link"], () => showBanner(top));
  watch(["work"], () => showWork(top));
  onTheme(() => {
    const other = theme() === "dark" ? "light" : "dark";
    attr(top.theme, "aria-label", `Switch to the ${other} colours`);
    attr(top.theme, "title", `Switch to the ${other} colours`);
  });
  // Fieldsets that come later, too: rows and cards are made as the server tells of them.
  new MutationObserver(allow).observe(document.body, { childList: true, subtree: true });
  allow();
  follow();
}

function header() {
  const link = el("span", { class: "link", role: "status", id: "link" }, el("span", { class: "lamp" }), el("b"), el("span", { class: "why" }));
  const access = el("span", { class: "tag warn", id: "access", hidden: true, text: "Read only" });
  const change = el("button", { class: "small", type: "button", id: "change-token", hidden: true, text: "Change token", onclick: changeAccess });
  const work = el("a", { class: "tag busy", id: "working", href: "/scaling-ui#work", hidden: true });
  const button = el("button", { class: "icon", type: "button", onclick: toggle }, themeIcon());
  const bar = el(
    "div",
    { class: "bar" },
    el("a", { class: "brand", href: "/" }, el("img", { src: "/console/logo.svg", width: 28, height: 28, alt: "" }), el("span", { text: "Leverframe" })),
    navigation(),
    el("div", { class: "standing" }, work, access, change, link, button),
  );
  const stale = el("p", { class: "banner", id: "banner", role: "alert", hidden: true });
  byId("top").append(bar, stale);
  return { link, access, change, work, theme: button, banner: stale };
}

function navigation() {
  const item = ([path, name]) => {
    const isHere = location.pathname === path;
    return el("li", {}, el("a", { href: path, text: name, "aria-current": isHere ? "page" : null }));
  };
  return el("nav", { "aria-label": "Pages" }, el("ul", {}, ...PAGES.map(item)));
}

function themeIcon() {
  return svg(
    "svg",
    { viewBox: "0 0 20 20", width: 20, height: 20, "aria-hidden": "true" },
    svg("circle", { cx: 10, cy: 10, r: 6.2, fill: "none", stroke: "currentColor", "stroke-width": 1.7 }),
    svg("path", { d: "M10 3.8a6.2 6.2 0 0 1 0 12.4z", fill: "currentColor" }),
  );
}

function showLink(top) {
  const { state, detail } = store.link;
  attr(top.link, "data-state", state);
  text(top.link.children[1], LINKS[state]);
  text(top.link.children[2], state === "reconnecting" && detail ? `: ${detail}` : "");
  attr(top.link, "title", detail || null);
  show(top.change, token() !== "");
}

async function changeAccess() {
  if (await changeToken()) reconnect();
}

function showOverview(top) {
  const { overview } = store;
  if (!overview) return;
  show(top.access, overview.access === "read");
  allow();
}

/** What everybody is to know: why there is nothing to see, that it ends, that the file has a mistake. */
function showBanner(top) {
  const { link, overview } = store;
  const refused = link.state === "refused" ? link.detail : "";
  const error = overview?.config?.last_error;
  const draining = overview?.health?.status === "draining" ? "Leverframe is ending: what is under way is finished, nothing new is taken." : "";
  const stale = error ? `The configuration file has a mistake; the last good one serves. ${mistake(error)}` : "";
  const told = refused || draining || stale;
  text(top.banner, told);
  show(top.banner, told !== "");
}

function mistake(error) {
  const first = error.mistakes?.[0];
  if (!first) return error.message;
  return [first.path, first.line ? `line ${first.line}` : "", first.message].filter(Boolean).join(", ");
}

function showWork(top) {
  text(top.work, counted(store.work.length, "job"));
  show(top.work, store.work.length > 0);
}

/** Commands can be given by who may write, and by nobody before that is known. */
function allow() {
  const isClosed = !canWrite();
  for (const set of document.querySelectorAll("fieldset[data-write]")) {
    if (set.disabled !== isClosed) set.disabled = isClosed;
  }
}
