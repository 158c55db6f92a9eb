// The page: its selection, the replies of the server, and their display.

import { ask, latest, takeToken } from "./ask.js";
import { makeBundle } from "./bundle.js";
import { makeEditor } from "./editor.js";
import { makeGraph } from "./graph.js";
import { hearKernel } from "./kernel.js";
import { hearKeys } from "./keys.js";
import { kernelShown, machineFields } from "./machines.js";
import { lightPart, move, parts, prepare, putIn, reach } from "./picture.js";
import { keep, place, read, shownMachines } from "./place.js";
import { makeQuiz } from "./quiz.js";
import { showRule } from "./rule.js";
import { captionOf, makeSteps } from "./steps.js";
import { fillTable } from "./table.js";
import { violationLines } from "./violations.js";
import { giveUpAll, hearStop, work } from "./work.js";

const byId = (id) => document.getElementById(id);
const TYPING = 120; // ms without a key after which a text is run
const BORDER = 16; // px inside the frame of a picture
const FIRST = "munmap-middle";

let start, editor, fields, graph, quiz, steps, story = null, quizzing = false;

async function begin() {
  takeToken();
  start = await ask("start");
  if (start.refused) return say(start.refused, true);
  byId("programs").replaceChildren(
    ...start.programs.map((program) => Object.assign(document.createElement("option"), { value: program.name, label: program.asks })),
  );
  byId("scope").replaceChildren(...start.scopes.map((scope) => new Option(scope, scope)));
  place.machines[1] = `model:${start.series[0]}`;
  start.given.slice(0, 2).forEach((name, at) => (place.machines[at] = name));
  place.compare = start.given.length > 1;
  editor = makeEditor(byId("editor"), start, typed);
  fields = [...document.querySelectorAll("fieldset.machine")].map((fieldset, at) =>
    machineFields(fieldset, start, (name) => {
      place.machines[at] = name;
      again(true);
    }),
  );
  graph = makeGraph((path) => {
    place.path = path;
    again(true);
  }, start.depth);
  steps = makeSteps(byId("timeline"), goTo);
  quiz = makeQuiz(byId("quiz"), () => setTimeout(() => quizzing && goTo(place.step + 1), 0));
  listen();
  makeBundle(start, () => place.view === "bundle");
  await restore();
  document.documentElement.dataset.ready = "yes";
}

/** Show what the address says. */
async function restore() {
  const text = await read();
  if (text) place.text = text;
  else if (place.name) await load(place.name);
  else if (start.opened) place.text = start.opened;
  else await load(FIRST);
  byId("library").value = place.name;
  editor.show(place.text);
  await again(false);
  const part = place.part && parts(byId("picture")).find((item) => item.dataset.part === place.part);
  if (part) {
    lightPart(byId("picture"), part);
    await showRule(byId("rule"), part);
  }
}

async function load(name) {
  const answer = await ask("program", { name });
  if (answer.refused) {
    mistake({ message: answer.refused });
    return false;
  }
  place.name = answer.name;
  place.text = answer.text;
  return true;
}

function listen() {
  byId("library").addEventListener("change", async () => {
    if (!(await load(byId("library").value.trim()))) return;
    place.step = 0;
    place.part = "";
    editor.show(place.text);
    again(true);
  });
  byId("compare").addEventListener("change", () => {
    place.compare = byId("compare").checked;
    again(true);
  });
  byId("scope").addEventListener("change", () => {
    place.scope = byId("scope").value;
    place.path = [];
    again(true);
  });
  for (const button of document.querySelectorAll("[data-view]"))
    button.addEventListener("click", () => turnTo(button.dataset.view));
  byId("search").addEventListener("click", () => graph.search(place.machines[0], place.scope));
  byId("to-program").addEventListener("click", () => {
    if (!story || !story.program) return;
    place.name = "";
    place.text = story.program;
    place.step = Math.max(0, place.path.length - 1);
    editor.show(place.text);
    turnTo("program");
  });
  byId("before").addEventListener("click", () => goTo(place.step - 1));
  byId("after").addEventListener("click", () => goTo(place.step + 1));
  hearStop(
    (seconds) => {
      byId("picture").classList.add("old");
      say(`Stopped after ${Math.round(seconds)} s.`, true);
    },
    () => again(false),
  );
  hearKernel(() => again(false));
  byId("quiz-on").addEventListener("click", toggleQuiz);
  byId("as-c").addEventListener("click", copyAsC);
  byId("keys-on").addEventListener("click", () => byId("keys").showModal());
  reach(byId("picture"), selected, (part) => showRule(byId("rule"), part), (names) => editor.made(names));
  // A bundle has no steps and no such picture: there these keys are the browser's.
  const inSteps = (act) => () => place.view !== "bundle" && act();
  hearKeys({
    ArrowLeft: inSteps(() => goTo(place.step - 1)),
    ArrowRight: inSteps(() => goTo(place.step + 1)),
    ArrowDown: inSteps(() => move(byId("picture"), 1)),
    ArrowUp: inSteps(() => move(byId("picture"), -1)),
    Enter: () => {
      const part = document.activeElement.closest("[data-part]");
      return part ? showRule(byId("rule"), part) : false;
    },
    b: () => turnTo(place.view === "bundle" ? "program" : "bundle"),
    c: inSteps(() => byId("compare").click()),
    g: () => turnTo(place.view === "graph" ? "program" : "graph"),
    q: toggleQuiz,
    "?": () => byId("keys").showModal(),
  });
  addEventListener("popstate", restore);
  addEventListener("hashchange", () => {
    if (location.hash.includes("token=")) takeToken();
  });
  addEventListener("focus", renew);
  let drawn = room();
  const resized = () => {
    if (room() === drawn) return;
    drawn = room();
    again(false);
  };
  addEventListener("resize", () => {
    clearTimeout(resizing);
    resizing = setTimeout(resized, TYPING);
  });
}

/** Put the program into the clipboard as C that expects what the first machine answers. */
async function copyAsC() {
  const answer = await work("c", { program: place.text, machines: shownMachines() }).answer;
  if (answer.stopped) return;
  if (answer.refused || answer.mistake) return say(answer.refused || answer.mistake.message, true);
  try {
    await navigator.clipboard.writeText(answer.text);
    say("Copied as C.", false);
  } catch {
    say("The browser lets nothing be copied: pfnlab export writes the same to a file.", true);
  }
}

function turnTo(view) {
  place.view = view;
  place.part = "";
  again(true);
}

function selected(part) {
  place.part = part;
  keep(false);
}

/** A step, or in the graph one operation back. */
function goTo(step) {
  if (place.view === "graph") {
    if (step < place.step && place.path.length) {
      place.path = place.path.slice(0, -1);
      again(true);
    } else if (step > place.step) byId("next").querySelector("button")?.focus();
    return;
  }
  if (!story || step < 0 || step >= story.steps.length) return;
  place.step = step;
  show(true);
}

let waiting = 0;
let resizing = 0;

function typed(text) {
  place.text = text;
  place.name = "";
  byId("library").value = "";
  clearTimeout(waiting);
  waiting = setTimeout(() => again(false), TYPING);
}

/** Request everything shown again; earlier requests are cancelled. */
const again = latest(async (current, push) => {
  giveUpAll();
  kept.clear();
  arrange();
  if (place.view === "bundle") return keep(push);
  if (place.view === "graph") return walk(current, push);
  const question = asked();
  const answer = await work("story", question).answer;
  if (!current() || answer.stopped) return;
  mistake(answer.mistake);
  if (answer.mistake || answer.refused) {
    byId("picture").classList.add("old");
    offer(story && story.recorded ? story.recorded : []);
    if (answer.refused) say(answer.refused, true);
    await keep(push);
    return;
  }
  story = { ...answer, question };
  offer(answer.recorded);
  steps.show(story);
  if (quizzing) editor.cover(true);
  place.step = Math.min(place.step, answer.steps.length - 1);
  await show(push, current);
});

/** Request again if a policy file of a machine was changed, e.g. in an editor. */
async function renew() {
  const inFiles = place.view !== "bundle" && shownMachines().some((name) => start.given.includes(name));
  if (!inFiles || !byId("stopped").hidden) return;
  const shown = story;
  const answer = await work(place.view === "graph" ? "graph" : "story", asked()).answer;
  // A file that is no longer a policy has no state: the former state is not shown either.
  if (!answer.stopped && story === shown && answer.files !== story?.files) again(false);
}

/** The request for the current view. */
function asked() {
  if (place.view !== "graph") return { program: place.text, machines: shownMachines() };
  return { machine: place.machines[0], scope: place.scope, path: place.path, width: room() };
}

/** Show the parts of the page that the view has. */
function arrange() {
  const inGraph = place.view === "graph";
  const inBundle = place.view === "bundle";
  for (const button of document.querySelectorAll("[data-view]"))
    button.setAttribute("aria-pressed", String(button.dataset.view === place.view));
  byId("asking").hidden = byId("showing").hidden = inBundle;
  byId("bundle-asking").hidden = byId("bundle-showing").hidden = !inBundle;
  byId("program-side").hidden = byId("timeline").hidden = byId("stepping").hidden = inGraph;
  byId("violations").hidden = inGraph;
  byId("compare-field").hidden = inGraph;
  byId("graph-side").hidden = byId("graph").hidden = byId("way").hidden = !inGraph;
  byId("quiz").hidden = inGraph || !quizzing;
  byId("quiz-on").disabled = byId("as-c").disabled = inGraph || inBundle;
  byId("compare").checked = place.compare;
  document.querySelector('fieldset[data-slot="1"]').hidden = inGraph || !place.compare;
  byId("kernel-field").hidden = !kernelShown();
  byId("scope").value = place.scope;
  byId("race").hidden = true;
}

function offer(versions) {
  fields.forEach((field, at) => field.show(place.machines[at], versions));
}

/** The step one is at: caption, picture and table. */
async function show(push, current = () => true) {
  await keep(push);
  const step = story.steps[place.step];
  const { machines } = story;
  if (!step) {
    byId("timeline").replaceChildren();
    byId("violations").replaceChildren();
    byId("picture").replaceChildren();
    return say(machines.map((machine) => machine.unfinished && `${machine.name}: ${machine.unfinished}`).filter(Boolean).join("; "), true);
  }
  steps.mark();
  byId("before").disabled = place.step === 0;
  byId("after").disabled = place.step === story.steps.length - 1;
  editor.line(step.line);
  say(captionOf(story, place.step), false);
  byId("violations").replaceChildren(...violationLines(step.broken));
  const at = place.step;
  const answer = await pictureOf(at);
  if (!current() || answer.stopped || at !== place.step || place.view === "graph") return;
  if (answer.files !== undefined && answer.files !== story.files) return again(false);
  draw(answer, machines.map((machine) => machine.name));
  if (quizzing) await askQuiz();
  // Ready for the next step.
  for (const near of [at + 1, at - 1]) if (story.steps[near]) later(() => place.step === at && pictureOf(near, true));
  if (story.race) {
    const lanes = await work("race", { ...story.question, width: room() }).answer;
    if (!current() || lanes.refused || !lanes.svg) return;
    putIn(byId("lanes"), prepare(lanes.svg));
    byId("race").hidden = false;
  }
}

const MOST_KEPT = 6;
const kept = new Map();

/** The picture and the table of a step, which are kept until the story is another; `ahead` of being asked for. */
function pictureOf(step, ahead = false) {
  // Of the story: the text may be another by now, which is wrong or was stopped.
  const question = { ...story.question, step, width: room() };
  const key = JSON.stringify(question);
  if (!kept.has(key)) {
    const { answer, ...rest } = work("picture", question);
    kept.set(key, { step, ...rest, answer: answer.then(prepared) });
  }
  const one = kept.get(key);
  one.waitFor(!ahead);
  kept.delete(key);
  kept.set(key, one);
  for (const [other, { step: its, giveUp }] of kept) {
    if (kept.size <= MOST_KEPT && Math.abs(its - place.step) <= MOST_KEPT / 2) continue;
    // If the user steps quickly, the steps passed are not needed.
    giveUp();
    kept.delete(other);
  }
  return one.answer;
}

function prepared(answer) {
  return { ...answer, svg: prepare(answer.svg) };
}

function later(act) {
  if (window.requestIdleCallback) requestIdleCallback(act, { timeout: 1000 });
  else setTimeout(act, 50);
}

function draw(answer, names) {
  if (answer.mistake) return;
  if (answer.refused) return say(answer.refused, true);
  const figure = byId("picture");
  const focused = figure.contains(document.activeElement) ? place.part : "";
  figure.classList.remove("lights");
  figure.classList.toggle("old", place.view !== "graph" && JSON.stringify(story.question) !== JSON.stringify(asked()));
  putIn(figure, answer.svg);
  if (answer.lacking) figure.textContent = `There is no picture: ${answer.lacking}.`;
  editor.made(new Set());
  if (focused) parts(figure).find((part) => part.dataset.part === focused)?.focus();
  fillTable(byId("table").querySelector("table"), answer.rows, names);
}

async function walk(current, push) {
  await keep(push);
  const answer = await work("graph", asked()).answer;
  if (!current() || answer.stopped) return;
  offer([]);
  if (answer.refused) return say(answer.refused, true);
  story = { ...answer, steps: [], recorded: [] };
  const broken = answer.properties.filter((property) => property.kind === "always" && property.holds === false);
  say(
    `${place.path.length ? `After ${place.path.length}` : "Before the first"} operation${place.path.length > 1 ? "s" : ""}, ` +
      `${answer.next.length} can follow. ${broken.length ? `Violated here: ${broken.map((item) => item.name).join(", ")}.` : "Nothing is violated here."}`,
    broken.length > 0,
  );
  draw(prepared(answer), [place.machines[0]]);
  graph.show(answer, place.path);
}

async function toggleQuiz() {
  if (place.view !== "program") return false;
  quizzing = !quizzing;
  byId("quiz-on").setAttribute("aria-pressed", String(quizzing));
  byId("quiz").hidden = !quizzing;
  steps.cover(quizzing);
  editor.cover(quizzing);
  if (quizzing) await askQuiz();
  return true;
}

async function askQuiz() {
  const next = story.steps[place.step + 1];
  const answer = next ? await pictureOf(place.step + 1) : null;
  if (answer?.stopped) return;
  quiz.ask(next ? next.op : "", answer?.rows ? answer.rows : null);
}

/** The room for a picture, in pixels. */
function room() {
  const { clientWidth } = byId("picture");
  return Math.min(Math.max(clientWidth - BORDER, 300), 4000);
}

function mistake(wrong) {
  byId("mistake").textContent = wrong ? `${wrong.line ? `line ${wrong.line}, column ${wrong.column}: ` : ""}${wrong.message}` : "";
  editor.mistake(wrong && wrong.line ? wrong : null);
}

function say(text, bad) {
  byId("says").textContent = text;
  byId("says").classList.toggle("bad", bad);
}

begin();
