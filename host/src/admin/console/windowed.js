// A long list of which only the rows in sight exist: a thousand endpoints cost what twenty do. All rows are equally high;
// how high is measured, since it depends on the width of the page.

import { el, keep } from "./dom.js";

/** Rows beyond the edges, so that scrolling shows no holes. */
const BEYOND = 6;

/** A list in `box`, which scrolls: `make(item)` and `update(row, item)` as for `keep`. */
export function windowed(box, { make, update, key = (item) => item.key }) {
  const above = el("div", { class: "space" });
  const rows = el("div", { class: "rows", role: "rowgroup" });
  const below = el("div", { class: "space" });
  box.append(above, rows, below);
  // What is read from the page is read when it may have changed, and not while rows are written.
  const state = { items: [], height: 48, seen: 600, top: 0, isMeasured: false };
  const draw = () => {
    const first = Math.max(0, Math.floor(state.top / state.height) - BEYOND);
    const last = Math.min(state.items.length, first + Math.ceil(state.seen / state.height) + 2 * BEYOND);
    keep(rows, state.items.slice(first, last), { key, make, update });
    above.style.height = `${first * state.height}px`;
    below.style.height = `${(state.items.length - last) * state.height}px`;
    if (!state.isMeasured && rows.firstElementChild) measure();
  };
  const measure = () => {
    state.seen = box.clientHeight || 600;
    state.top = box.scrollTop;
    const height = rows.firstElementChild?.offsetHeight;
    state.isMeasured = Boolean(height);
    if (!height || height === state.height) return;
    state.height = height;
    draw();
  };
  let isPlanned = false;
  const plan = () => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      measure();
      draw();
    });
  };
  box.addEventListener("scroll", plan, { passive: true });
  new ResizeObserver(plan).observe(box);
  return {
    update(items) {
      state.items = items;
      draw();
    },
  };
}
