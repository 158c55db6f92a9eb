// An inspector bundle: problems on its machine, one of its devices, and the meaning of a log line.

import { ask, askOf, latest } from "./ask.js";
import { adoptStyles } from "./picture.js";

const byId = (id) => document.getElementById(id);
const APPEARS = 700; // ms after which a wait has a button that ends it
const COMMAND = /^pfnlab run ([\w/.-]+)$/;

/** The bundle view; `start` has the available choices, `shown` returns true if the page shows this view. */
export function makeBundle(start, shown) {
  let opened = null; // the server's answer about the bundle that is open
  let resend = null; // sends the same bundle again
  const underWay = new Map(); // by the kind of question, what gives it up

  function listen() {
    byId("bundle-file").addEventListener("change", () => {
      const [file] = byId("bundle-file").files;
      if (file) take(file);
    });
    byId("bundle-sample").addEventListener("click", () => open("sample.bundle", sample));
    byId("bundle-stop").addEventListener("click", () => giveUpAll());
    byId("lines-form").addEventListener("submit", (event) => {
      event.preventDefault();
      explain();
    });
    // Otherwise a file dropped outside the field would replace the page.
    addEventListener("dragover", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      byId("drop").classList.add("over");
    });
    addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) byId("drop").classList.remove("over");
    });
    addEventListener("drop", (event) => {
      if (!holdsFile(event)) return;
      event.preventDefault();
      byId("drop").classList.remove("over");
      byId("bundle-file").value = "";
      take(event.dataTransfer.files[0]);
    });
  }

  function holdsFile(event) {
    return shown() && [...event.dataTransfer.types].includes("Files");
  }

  function take(file) {
    if (file.size > start.most_sent)
      return say(`${file.name}: a bundle may have ${start.most_sent >> 20} MiB here: compress it with gzip, or use pfnlab inspect.`, true);
    return open(file.name, (signal) => sent(file, signal));
  }

  /** Send the sample that comes with the page. */
  async function sample(signal) {
    try {
      const reply = await fetch("/sample.bundle", { signal });
      return askOf("sample.bundle", await reply.arrayBuffer(), signal);
    } catch {
      return signal.aborted ? { stopped: true } : { refused: "cannot read the sample: restart the explorer" };
    }
  }

  async function sent(file, signal) {
    let bytes;
    try {
      bytes = await file.arrayBuffer();
    } catch {
      return { refused: `${file.name}: the file cannot be read` };
    }
    return askOf(file.name, bytes, signal);
  }

  /** Open the bundle that `send` sends. */
  const open = latest(async (current, name, send) => {
    giveUp("device");
    clear();
    say(`Reading ${name}.`, false);
    const answer = await stoppable("bundle", send);
    if (!current()) return;
    if (answer.stopped) return say("Stopped: no bundle is open.", true);
    if (answer.refused) return say(answer.refused, true);
    [opened, resend] = [answer, send];
    say(`${answer.first}. ${answer.says}`, false);
    fill(byId("findings"), answer.html);
    fill(byId("devices"), answer.devices);
    [...byId("devices").querySelectorAll("tbody th")].forEach((cell, at) => answer.asked[at] && choosable(cell, answer.asked[at]));
    byId("lines-kernel").value = answer.kernel;
  });

  /** Return the answer; a button can stop the work. */
  async function stoppable(kind, send) {
    giveUp(kind);
    const mine = new AbortController();
    underWay.set(kind, mine);
    const appears = setTimeout(() => (byId("bundle-wait").hidden = !underWay.size), APPEARS);
    const answer = await send(mine.signal);
    clearTimeout(appears);
    if (underWay.get(kind) === mine) underWay.delete(kind);
    if (!underWay.size) byId("bundle-wait").hidden = true;
    return answer;
  }

  function giveUp(kind) {
    underWay.get(kind)?.abort();
  }

  function giveUpAll() {
    for (const kind of underWay.keys()) giveUp(kind);
  }

  function choosable(cell, address) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = address;
    button.title = `Is all of ${address} write-combining?`;
    button.addEventListener("click", () => device(address, button));
    cell.replaceChildren(button);
  }

  const device = latest(async (current, address, button) => {
    for (const other of byId("devices").querySelectorAll("[aria-current]")) other.removeAttribute("aria-current");
    button.setAttribute("aria-current", "true");
    let answer = await stoppable("device", (signal) => ask("device", { bundle: opened.bundle, device: address }, signal));
    if (answer.gone && current()) {
      // Another page has opened another bundle, or the process has ended.
      const again = await stoppable("device", resend);
      if (again.bundle) opened = again;
      answer = again.bundle ? await ask("device", { bundle: again.bundle, device: address }) : again;
    }
    if (!current() || answer.stopped) return;
    if (answer.refused) return refuse(byId("device"), answer.refused);
    fill(byId("device"), answer.html);
  });

  const explain = latest(async (current) => {
    const question = { lines: byId("lines").value, kernel: byId("lines-kernel").value.trim() };
    const answer = await stoppable("explain", (signal) => ask("explain", question, signal));
    if (!current() || answer.stopped) return;
    if (answer.refused) return refuse(byId("explanation"), answer.refused);
    fill(byId("explanation"), answer.html);
  });

  function clear() {
    opened = resend = null;
    for (const name of ["findings", "devices", "device"]) empty(byId(name));
  }

  function say(text, bad) {
    byId("bundle-said").textContent = text;
    byId("bundle-said").classList.toggle("bad", bad);
  }

  /** Show the server's markup, in which texts from the bundle are escaped. */
  function fill(section, html) {
    const made = document.createElement("template");
    made.innerHTML = adoptStyles(html);
    for (const line of made.content.querySelectorAll("li")) link(line);
    const body = section.querySelector(".report");
    body.replaceChildren(made.content);
    section.hidden = false;
  }

  function refuse(section, reason) {
    const line = document.createElement("p");
    line.className = "bad";
    line.textContent = reason;
    section.querySelector(".report").replaceChildren(line);
    section.hidden = false;
  }

  function empty(section) {
    section.querySelector(".report").replaceChildren();
    section.hidden = true;
  }

  /** Link a command that runs a library program to its steps, on the model of the bundle's kernel. */
  function link(line) {
    const name = COMMAND.exec(line.textContent.trim())?.[1];
    if (!name || !start.programs.some((program) => program.name === name)) return;
    const words = new URLSearchParams({ view: "program", program: name });
    const series = start.series.find((one) => new RegExp(`^${one.replace(".", "\\.")}(?!\\d)`).test(opened?.kernel || ""));
    if (series) words.set("on", `model:${series}`);
    const made = document.createElement("a");
    made.href = `#${words}`;
    made.textContent = line.textContent.trim();
    made.title = `Show the steps of ${name} as pictures`;
    line.replaceChildren(made);
  }

  listen();
  if (start.bundle) open(start.bundle, (signal) => ask("opened", {}, signal));
}
