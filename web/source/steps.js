// The row of steps, and the description of one.

import { place } from "./place.js";

/** The row of steps in `row`; `go` is called with the chosen step. */
export function makeSteps(row, go) {
  let covered = false;

  function tick(step, at, machines) {
    const button = document.createElement("button");
    button.type = "button";
    const text = document.createElement("span");
    text.className = "op";
    text.textContent = `${at + 1} ${step.op}`;
    button.append(text);
    button.title = button.dataset.op = step.op;
    // Each property once, whichever machine violates it.
    const meanings = step.broken.map((broken) => `${broken.property}: ${broken.asks}`);
    button.dataset.meaning = [
      step.op,
      ...(step.differs.length ? [`differs: the machines differ in ${step.differs.join(", ")}`] : []),
      ...new Set(meanings),
    ].join("\n");
    const sign = (name, text) => {
      const mark = document.createElement("span");
      mark.className = `sign-of ${name}`;
      mark.textContent = text;
      button.append(mark);
    };
    if (step.differs.length) sign("differs", "differs");
    for (const [names, whose] of violated(step, machines)) sign("broken", `✗ ${names} on ${whose}`);
    button.addEventListener("click", () => go(at));
    const line = document.createElement("li");
    line.append(button);
    return line;
  }

  /** A later step's effects are hidden until the user has predicted them. */
  function cover() {
    [...row.children].forEach((line, at) => {
      const hidden = covered && at > place.step;
      for (const sign of line.querySelectorAll(".sign-of")) sign.hidden = hidden;
      const button = line.firstElementChild;
      button.title = hidden ? button.dataset.op : button.dataset.meaning;
    });
  }

  return {
    /** Show the steps of a story. */
    show(story) {
      row.replaceChildren(...story.steps.map((step, at) => tick(step, at, story.machines.map((machine) => machine.name))));
      cover();
    },
    /** Mark the shown step, and scroll it into view. */
    mark() {
      row.querySelector("[aria-current]")?.removeAttribute("aria-current");
      const line = row.children[place.step];
      line?.firstElementChild.setAttribute("aria-current", "step");
      if (line) bringInSight(row, line);
      cover();
    },
    /** Hide the effects of later steps, or show them again. */
    cover(on) {
      covered = on;
      cover();
    },
  };
}

/** The names of the properties that a step violates, with machines grouped by the properties they violate. */
function violated(step, machines) {
  const found = new Map();
  for (const machine of machines) {
    const names = step.broken.filter((broken) => broken.machine === machine).map((broken) => broken.property);
    const key = [...new Set(names)].join(", ");
    if (key) found.set(key, found.has(key) ? "both" : machine);
  }
  return found;
}

/** Scroll only `list`: `scrollIntoView` moves the page too, and in some browsers the starting point of Tab. */
function bringInSight(list, line) {
  const left = line.offsetLeft - list.offsetLeft;
  // On a phone the row is one line.
  if (list.scrollWidth > list.clientWidth) list.scrollLeft = left - (list.clientWidth - line.offsetWidth) / 2;
  const top = line.offsetTop - list.offsetTop;
  if (top < list.scrollTop) list.scrollTop = top;
  else list.scrollTop = Math.max(list.scrollTop, top + line.offsetHeight - list.clientHeight);
}

/** The sentence about a step: each machine's result. */
export function captionOf(story, at) {
  const { machines } = story;
  const step = story.steps[at];
  const said = machines.map((machine, number) => {
    const log = step.log[number].length ? `, log: ${step.log[number].join("; ")}` : "";
    return `${machine.name}: ${step.results[number] === null ? "did not reach this step" : step.results[number]}${log}`;
  });
  const differs = step.differs.length ? ` They differ in ${step.differs.join(", ")}.` : "";
  return `Step ${at + 1} of ${story.steps.length}, ${step.op}. ${said.join(". ")}.${differs}`;
}
