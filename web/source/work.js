// Questions that take work: what takes long is said, and may be stopped.

import { ask } from "./ask.js";

const APPEARS = 700; // ms after which a wait is said
const EVERY = 250; // ms

const underWay = new Set();
let said = 0;

/** Ask. The answer, what gives the question up, and what says whether somebody waits for it. */
export function work(kind, question) {
  const control = new AbortController();
  const one = { control, quiet: false, began: performance.now() };
  underWay.add(one);
  said ||= setInterval(show, EVERY);
  const answer = ask(kind, question, control.signal).finally(() => {
    underWay.delete(one);
    show();
  });
  const waitFor = (waits) => {
    if (waits && one.quiet) one.began = performance.now();
    one.quiet = !waits;
  };
  return { answer, giveUp: () => control.abort(), waitFor };
}

/** Give up all that is under way: it is about what was shown before. */
export function giveUpAll() {
  byId("stopped").hidden = true;
  for (const one of underWay) one.control.abort();
}

/** Hear the buttons: `stopped` hears the seconds after which somebody stopped the work, `again` that it is to begin anew. */
export function hearStop(stopped, again) {
  byId("stop").addEventListener("click", () => {
    const seconds = waited();
    giveUpAll();
    byId("stopped").hidden = false;
    byId("anew").focus();
    stopped(seconds);
  });
  byId("anew").addEventListener("click", again);
}

function show() {
  const shown = waited() * 1000 > APPEARS;
  byId("working").hidden = !shown;
  document.body.classList.toggle("waiting", shown);
  if (shown) byId("worked").textContent = `${Math.round(waited())} s`;
  if (!underWay.size) {
    clearInterval(said);
    said = 0;
  }
}

function waited() {
  const began = [...underWay].filter((one) => !one.quiet && !one.control.signal.aborted).map((one) => one.began);
  return began.length ? (performance.now() - Math.min(...began)) / 1000 : 0;
}

function byId(id) {
  return document.getElementById(id);
}
