// Elements, made once and kept up without touching what has not changed. What comes from the server only ever goes in as
// text: nothing in here reads markup.

const SVG = "http://www.w3.org/2000/svg";

/** An element: `class`, `text`, `on…` handlers and properties by name; every other name is an attribute. */
export function el(tag, props = {}, ...children) {
  return fill(document.createElement(tag), props, children);
}

/** The same for SVG. */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), props, children);
}

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "text") node.textContent = value;
    else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The element of that id, which the page has. */
export function byId(id) {
  return document.getElementById(id);
}

/** Writes a text unless it is there already. */
export function text(node, value) {
  const wanted = String(value);
  if (node.childNodes.length !== 1 || node.firstChild.data !== wanted) node.textContent = wanted;
}

/** Sets an attribute unless it is so already; null takes it away. */
export function attr(node, name, value) {
  if (value === null || value === undefined) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/** Shows or hides. */
export function show(node, isShown) {
  if (node.hidden === isShown) node.hidden = !isShown;
}

const kept = new WeakMap();

/**
 * Makes the children of `box` those of `items`, in their order: `make(item)` for new ones, `update(node, item)` for all,
 * and whoever is not in `items` any more goes.
 */
export function keep(box, items, { key, make, update }) {
  const known = kept.get(box) ?? new Map();
  const wanted = new Set(items.map(key));
  // First, so that those who stay need not be moved: what is moved loses its focus.
  for (const [name, node] of known) {
    if (!wanted.has(name)) node.remove();
  }
  const next = new Map();
  let place = box.firstChild;
  for (const item of items) {
    const name = key(item);
    const node = known.get(name) ?? make(item);
    next.set(name, node);
    if (node === place) place = place.nextSibling;
    else move(box, node, place);
    update?.(node, item);
  }
  kept.set(box, next);
}

/** Puts a node before another one; with its focus, where the browser can do that. */
function move(box, node, place) {
  if (node.parentNode === box && box.moveBefore) box.moveBefore(node, place);
  else box.insertBefore(node, place);
}

/** The parts of an element that were marked by `data-part`, by name. */
export function parts(node) {
  const found = {};
  for (const part of node.querySelectorAll("[data-part]")) found[part.dataset.part] = part;
  return found;
}
