// A long list of which only the rows in sight exist: a thousand endpoints cost what twenty do. All rows are equally high;
// how high is measured, since it depends on the width of the page. A row that has the focus stays while it is out of sight.

import { el, keep } from "./dom.js";

/** Rows beyond the edges, so that scrolling shows no holes. */
const BEYOND = 6;

/**
 * A list in `box`, which scrolls: `make(item)` and `update(row, item, at)` as for `keep`; `at` is {nth, count}, its place
 * among all. `role` is that of what has the rows.
 */
export function windowed(box, { make, update, role, key = (item) => item.key }) {
  const above = el("div", { class: "space", role: "presentation" });
  const rows = el("div", { class: "rows", role });
  const below = el("div", { class: "space", role: "presentation" });
  box.append(above, rows, below);
  // What is read from the page is read when it may have changed, and not while rows are written.
  const state = { items: [], height: 48, seen: 600, top: 0, isMeasured: false };
  const places = new WeakMap();
  const draw = () => {
    const count = state.items.length;
    const first = Math.min(count, Math.max(0, Math.floor(state.top / state.height) - BEYOND));
    const last = Math.min(count, first + Math.ceil(state.seen / state.height) + 2 * BEYOND);
    const shown = [];
    for (let nth = first; nth < last; nth++) shown.push({ nth, item: state.items[nth] });
    const held = focused();
    if (held >= 0 && held < first) shown.unshift({ nth: held, item: state.items[held] });
    if (held >= last) shown.push({ nth: held, item: state.items[held] });
    keep(rows, shown, {
      key: ({ item }) => key(item),
      make: ({ item }) => make(item),
      update(row, { item, nth }) {
        places.set(row, key(item));
        update(row, item, { nth, count });
      },
    });
    above.style.height = `${(first - (held >= 0 && held < first ? 1 : 0)) * state.height}px`;
    below.style.height = `${(count - last - (held >= last ? 1 : 0)) * state.height}px`;
    if (!state.isMeasured && rows.firstElementChild) measure();
  };
  /** Where the row with the focus is among all; -1 where none has it. */
  const focused = () => {
    if (!rows.contains(document.activeElement)) return -1;
    const row = [...rows.children].find((child) => child.contains(document.activeElement));
    return state.items.findIndex((item) => key(item) === places.get(row));
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
