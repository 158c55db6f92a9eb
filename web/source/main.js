// The page: its selection, the replies of the server, and their display.

import { done, hearActions } from "./actions.js";
import { ask, latest, takeToken } from "./ask.js";
import { makeBundle } from "./bundle.js";
import { makeEditor } from "./editor.js";
import { makeGraph } from "./graph.js";
import { makeKernel } from "./kernel.js";
import { hearKeys } from "./keys.js";
import { makeLibrary } from "./library.js";
import { kernelShown, machineFields } from "./machines.js";
import { lightPart, markLane, move, parts, prepare, putIn, reach } from "./picture.js";
import { makePictures, prepared } from "./pictures.js";
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

const NARROW = matchMedia("(max-width: 60rem)"); // as in page.css

const pictures = makePictures();
let start, editor, fields, graph, kernel, library, quiz, steps, story = null, picture = "", quizzing = false;

async function begin() {
  takeToken();
  start = await ask("start");
  if (start.refused) return say(start.refused, true);
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

/** Show the place in the address, and any mistakes in it. */
async function restore() {
  const { text, damaged, wrong } = await read();
  let refused = "";
  if (text || damaged) place.text = text;
  else if (place.name) refused = await load(place.name);
  else if (start.opened) place.text = start.opened;
  else await load(FIRST);
  if (refused) place.text = "";
  notice([wrong, refused].filter(Boolean).join(" "));
  editor.show(place.text);
  await again(false);
  const part = place.part && parts(byId("picture")).find((item) => item.dataset.part === place.part);
  if (part) {
    lightPart(byId("picture"), part);
    await showRule(byId("rule"), part);
  }
}

/** Load a program from the library; return the reason if that fails. */
async function load(name) {
  const answer = await ask("program", { name });
  if (answer.refused) return answer.refused;
  place.name = answer.name;
  place.text = answer.text;
  return "";
}

/** Report mistakes in the address above the buttons, until another program is chosen. */
function notice(text) {
  byId("notice").textContent = text && text[0].toUpperCase() + text.slice(1);
}

function listen() {
  library = makeLibrary(start.programs, async (name) => {
    const refused = await load(name);
    notice(refused);
    if (refused) return;
    place.step = 0;
    place.part = "";
    editor.show(place.text);
    again(true);
  });
  const fold = () => (byId("fold").open = !NARROW.matches);
  NARROW.addEventListener("change", fold);
  fold();
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
  kernel = makeKernel(() => again(false));
  byId("quiz-on").addEventListener("click", toggleQuiz);
  hearActions(() => ({ svg: picture, program: place.view === "graph" ? story?.program : place.text }));
  byId("keys-on").addEventListener("click", () => byId("keys").showModal());
  reach(byId("picture"), selected, (part) => showRule(byId("rule"), part), (names) => editor.made(names));
  // A bundle has no steps and no such picture, so these keys go to the browser.
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

function turnTo(view) {
  place.view = view;
  place.part = "";
  again(true);
}

function selected(part) {
  place.part = part;
  keep(false);
}

/** Move by a step, or in the graph one operation back. */
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
  notice("");
  clearTimeout(waiting);
  waiting = setTimeout(() => again(false), TYPING);
}

/** Request everything shown again; earlier requests are cancelled. */
const again = latest(async (current, push) => {
  giveUpAll();
  pictures.clear();
  arrange();
  if (place.view === "bundle") return keep(push);
  if (place.view === "graph") return walk(current, push);
  if (!place.text.trim() && byId("notice").textContent) return nothing(push);
  const question = asked();
  const answer = await work("story", question).answer;
  if (!current() || answer.stopped) return;
  mistake(answer.mistake);
  if (answer.mistake || answer.refused) {
    byId("picture").classList.add("old");
    offer(story && story.recorded ? story.recorded : []);
    if (answer.refused) say(answer.refused, !answer.runs);
    if (answer.runs) kernel.offer(answer.runs);
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

/** Show no program, because the address names none that can be shown. */
async function nothing(push) {
  story = null;
  mistake(null);
  say("", false);
  offer([]);
  draw({ svg: null, rows: [] }, []);
  for (const part of ["timeline", "violations"]) byId(part).replaceChildren();
  await keep(push);
}

/** Request again if a machine's policy file was changed, e.g. in an editor. */
async function renew() {
  const inFiles = place.view !== "bundle" && shownMachines().some((name) => start.given.includes(name));
  if (!inFiles || !byId("stopped").hidden) return;
  const shown = story;
  const answer = await work(place.view === "graph" ? "graph" : "story", asked()).answer;
  // A file that is no longer a policy has no state, so do not show the previous one.
  if (!answer.stopped && story === shown && answer.files !== story?.files) again(false);
}

/** The request for the current view. */
function asked() {
  if (place.view !== "graph") return { program: place.text, machines: shownMachines() };
  return { machine: place.machines[0], scope: place.scope, path: place.path, width: room() };
}

/** Show the parts of the page that belong to the view. */
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
  kernel.offer(inGraph ? "" : kernelShown());
  library.show(place.name);
  byId("fold-said").textContent = `${inGraph ? `Scope ${place.scope}` : place.name || "Your own program"} on ${shownMachines().join(" and ")}`;
  done("");
  byId("scope").value = place.scope;
  byId("race").hidden = true;
}

function offer(versions) {
  fields.forEach((field, at) => field.show(place.machines[at], versions));
}

/** Show the current step: caption, picture and table. */
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
  done("");
  markLane(byId("lanes"), place.step + 1);
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
    // For the step that is current by now.
    markLane(byId("lanes"), place.step + 1);
  }
}

/** The picture of a step in the story: the current text may differ, if it has a mistake or was stopped. */
function pictureOf(step, ahead = false) {
  return pictures.of({ ...story.question, step, width: room() }, ahead);
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
  figure.classList.toggle("old", place.view !== "graph" && JSON.stringify(story?.question) !== JSON.stringify(asked()));
  putIn(figure, answer.svg);
  picture = answer.text || "";
  if (answer.lacking) figure.textContent = `No picture: ${answer.lacking}.`;
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
      `${answer.next.length} possible next. ${broken.length ? `Violated here: ${broken.map((item) => item.name).join(", ")}.` : "No violations here."}`,
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

/** The space for a picture, in pixels. */
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
