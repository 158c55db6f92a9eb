// The picture drawn by the server: inserted, with parts that can be reached, highlighted and told apart.

import { place } from "./place.js";

const SVG = "http://www.w3.org/2000/svg";
const sheets = new Map();

/* The contents of each named row, and the kind of its parts. */
const ROWS = {
  vma: ["VMAs: the mapped address ranges of a task, with permissions and flags", "vma"],
  pte: ["PTEs: page-table entries with cache mode and level; W is writable, D dirty, A accessed", "run"],
  memory: ["memory: the pages of a device or of RAM, by page number", "mem"],
  book: ["book: the kernel's memtype list, i.e. reserved ranges and their cache modes", "book"],
  tlb: ["TLBs: the translations that each processor has cached", "tlb"],
};

/** The SVG `text` as an element, or null. */
export function prepare(text) {
  if (!text) return null;
  const parsed = new DOMParser().parseFromString(adoptStyles(text), "image/svg+xml").documentElement;
  if (parsed.localName !== "svg") return null;
  for (const foreign of [...parsed.querySelectorAll("script, foreignObject")]) foreign.remove();
  const svg = document.adoptNode(parsed);
  // An image hides its contents from a screen reader; here its parts can be reached one by one.
  svg.setAttribute("role", "group");
  for (const row of svg.querySelectorAll("[data-row]")) explainRow(svg, row);
  for (const part of svg.querySelectorAll("[data-part]")) {
    part.setAttribute("tabindex", "-1");
    part.setAttribute("role", "img");
    const title = part.querySelector(":scope > title");
    part.setAttribute("aria-label", (title ? title.textContent : part.dataset.part) || part.dataset.part);
  }
  const first = svg.querySelector("[data-part]");
  if (first) first.setAttribute("tabindex", "0");
  return svg;
}

/** Make a row's name a part that describes the row, and goes with everything in it. */
function explainRow(svg, row) {
  const [meaning, kind] = ROWS[row.dataset.row];
  row.dataset.part = `row:${row.dataset.row}`;
  const ids = [...svg.querySelectorAll(`[data-part^="${kind}:"], [data-part^="gone-${kind}:"]`)].map((part) => part.dataset.part);
  row.dataset.with = [...new Set(ids)].join(" ");
  const title = document.createElementNS(SVG, "title");
  title.textContent = meaning;
  row.prepend(title);
}

/** Outline the rows of step `number`, from 1, in the lanes of a race. */
export function markLane(figure, number) {
  for (const old of figure.querySelectorAll(".now-band")) old.remove();
  for (const row of figure.querySelectorAll('[data-part^="step:"]')) row.removeAttribute("aria-current");
  const rows = [...figure.querySelectorAll('[data-part^="step:"]')];
  rows.forEach((row, at) => {
    if (row.dataset.part !== `step:${number}`) return;
    row.setAttribute("aria-current", "step");
    const box = row.getBBox();
    const next = rows[at + 1]?.getBBox();
    const before = rows[at - 1]?.getBBox();
    // A row extends to the next one; the last is as high as the one before.
    const high = next && next.y > box.y ? next.y - box.y : before && before.y < box.y ? box.y - before.y : box.height + 8;
    const band = document.createElementNS(SVG, "rect");
    const sizes = { class: "now-band", x: box.x - 6, y: box.y - 5, height: high - 2, rx: 3 };
    sizes.width = figure.querySelector("svg").viewBox.baseVal.width - 2 * sizes.x;
    for (const [word, value] of Object.entries(sizes)) band.setAttribute(word, value);
    row.prepend(band);
  });
}

/** Show a prepared picture, or nothing. */
export function putIn(figure, svg) {
  figure.replaceChildren(...(svg ? [svg] : []));
  lightPart(figure, null);
}

/** The markup `text` without its style sheets, which are added to the page, because inline ones are not allowed.
 * They are removed before parsing: a parsed document obeys the policy too, and logs refusals. */
export function adoptStyles(text) {
  return text.replace(/<style[^>]*>([^<]*)<\/style>/g, (_, css) => {
    adopt(css);
    return "";
  });
}

function adopt(text) {
  if (sheets.has(text)) return;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(text);
  sheets.set(text, sheet);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

/** The parts of the picture in their order, from top to bottom. */
export function parts(figure) {
  return [...figure.querySelectorAll("[data-part]")];
}

/** Highlight `part` and everything related to it; everything if there is no part. */
export function lightPart(figure, part) {
  for (const lit of figure.querySelectorAll(".lit, .holds-lit")) lit.classList.remove("lit", "holds-lit");
  figure.classList.toggle("lights", Boolean(part));
  if (!part) return;
  const wanted = new Set([part.dataset.part, ...(part.dataset.with || "").split(" ").filter(Boolean)]);
  for (const other of parts(figure)) {
    const its = [other.dataset.part, ...(other.dataset.with || "").split(" ")];
    if (!wanted.has(other.dataset.part) && !its.includes(part.dataset.part)) continue;
    other.classList.add("lit");
    for (let above = other.parentElement.closest("[data-part]"); above; above = above.parentElement.closest("[data-part]"))
      above.classList.add("holds-lit");
  }
}

/** The names of mappings related to `part`; none if there is no part. */
function namesOf(part) {
  if (!part) return new Set();
  const ids = [part.dataset.part, ...(part.dataset.with || "").split(" ")].map((id) => id.split(":"));
  return new Set(ids.filter(([kind]) => ["vma", "run", "link", "tlb"].includes(kind.replace("gone-", ""))).map((id) => id[2]));
}

/** Make parts reachable by mouse and keyboard; `chosen` is called with the requested rule, `selected` with the part,
 * `named` with the names of the highlighted mappings. */
export function reach(figure, selected, chosen, named) {
  const light = (figure, part) => {
    lightPart(figure, part);
    named(namesOf(part));
  };
  const partOf = (event) => (event.target.closest ? event.target.closest("[data-part]") : null);
  figure.addEventListener("pointerover", (event) => {
    const part = partOf(event);
    if (part || !figure.contains(document.activeElement)) light(figure, part);
  });
  figure.addEventListener("pointerleave", () => {
    const focused = figure.contains(document.activeElement) ? document.activeElement : null;
    light(figure, focused && focused.closest("[data-part]"));
  });
  figure.addEventListener("focusin", (event) => {
    const part = partOf(event);
    if (!part) return;
    for (const other of parts(figure)) other.setAttribute("tabindex", other === part ? "0" : "-1");
    light(figure, part);
    selected(part.dataset.part);
  });
  figure.addEventListener("focusout", () => light(figure, null));
  figure.addEventListener("click", (event) => {
    const part = partOf(event);
    if (!part) return;
    part.focus({ preventScroll: true });
    chosen(part);
  });
}

/** Focus the next or the previous part. */
export function move(figure, by) {
  const all = parts(figure);
  if (!all.length) return;
  // The same part may occur twice, once for each machine.
  const focused = all.indexOf(document.activeElement.closest("[data-part]"));
  const at = focused < 0 ? all.findIndex((part) => part.dataset.part === place.part) : focused + by;
  const next = Math.min(Math.max(at, 0), all.length - 1);
  all[next].focus();
}
