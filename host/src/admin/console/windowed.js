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
  const state = { items: [], height: 48 };
  const draw = () => {
    const seen = box.clientHeight || 600;
    const first = Math.max(0, Math.floor(box.scrollTop / state.height) - BEYOND);
    const last = Math.min(state.items.length, first + Math.ceil(seen / state.height) + 2 * BEYOND);
    const shown = state.items.slice(first, last);
    keep(rows, shown, { key, make, update });
    above.style.height = `${first * state.height}px`;
    below.style.height = `${(state.items.length - last) * state.height}px`;
    const height = rows.firstElementChild?.offsetHeight;
    if (height && Math.abs(height - state.height) > 0.5) {
      state.height = height;
      draw();
    }
  };
  let isPlanned = false;
  const plan = () => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
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
