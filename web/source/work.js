// Long-running questions: the page shows their progress, and the user can stop them.

import { ask } from "./ask.js";

const APPEARS = 700; // ms after which a wait is said
const EVERY = 250; // ms

const underWay = new Set();
let said = 0;

/** Ask. Return the answer, a function that cancels the question, and one that sets if the user waits for it. */
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

/** Cancel all running work, which belongs to the previous view. */
export function giveUpAll() {
  byId("stopped").hidden = true;
  for (const one of underWay) one.control.abort();
}

/** Handle the buttons: `stopped` gets the seconds until the user stopped the work, `again` restarts it. */
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
