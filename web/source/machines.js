// The fields that choose a machine: its name, and for a model the policies that replace the defaults.

import { shownMachines } from "./place.js";

const SEAMS = ["tracker", "flush", "walker"];

/* The purpose of each field, shown on hover and read on focus. */
const MEANINGS = {
  which: "A model predicts; a recorded run comes from a real kernel; a kernel (qemu) boots on request",
  tracker: "Tracker: how the kernel records which pages a mapping has reserved",
  flush: "Flush placement: when pending TLB flushes of the mapping are forced",
  walker: "Walker: how readers of a task's pages recognize a page",
  more: "Model switches and commits, separated by commas, e.g. mseal=off or without=04c35ab3bdae",
};

/** Fields in the `fieldset`; `changed` is called with the machine's name. */
export function machineFields(fieldset, start, changed) {
  const slot = fieldset.dataset.slot;
  const which = field("Machine", document.createElement("select"), "which");
  const policies = document.createElement("details");
  const summary = document.createElement("summary");
  summary.textContent = "Policies and changes";
  summary.title = "Give this model a different design, or leave out a commit";
  const inside = document.createElement("div");
  inside.className = "fields";
  policies.append(summary, inside);
  fieldset.append(policies);
  const seams = new Map(SEAMS.map((seam) => [seam, field(seam, document.createElement("select"), seam, inside)]));
  const more = field("changes", document.createElement("input"), "more", inside);
  more.placeholder = "without=04c35ab3bdae";
  more.spellcheck = false;
  for (const [seam, select] of seams) {
    select.append(new Option("as the kernel", ""));
    for (const name of start.seams[seam]) select.append(new Option(name, name));
  }

  function field(name, control, word, parent = fieldset) {
    control.id = `${word}-${slot}`;
    const label = document.createElement("label");
    label.htmlFor = control.id;
    label.title = control.title = MEANINGS[word];
    label.textContent = name[0].toUpperCase() + name.slice(1);
    parent.append(label, control);
    control.addEventListener("change", tell);
    return control;
  }

  function tell() {
    const model = which.value.startsWith("model:");
    for (const control of [...seams.values(), more]) control.disabled = !model || start.given.includes(which.value);
    let name = which.value;
    if (!more.disabled) {
      for (const [seam, select] of seams) if (select.value) name += `,${seam}=${select.value}`;
      for (const change of more.value.split(",")) if (change.trim()) name += `,${change.trim()}`;
    }
    changed(name);
  }

  return {
    /** Offer the machines for a program that was recorded on `versions`, and show `name`. */
    show(name, versions) {
      which.replaceChildren();
      group("Given", start.given.map((given) => [given, given]));
      group("Models", start.series.map((series) => [`model:${series}`, `model of ${series}`]));
      group("Recorded on real kernels", versions.map((version) => [`recorded:${version}`, version]).reverse());
      group("Real kernels, on request", start.kernels.map((series) => [`qemu:${series}`, `qemu:${series}`]));
      const [whole, ...changes] = start.given.includes(name) ? [name] : name.split(",");
      if (![...which.options].some((option) => option.value === whole)) which.append(new Option(whole, whole));
      which.value = whole;
      const rest = [];
      const chosen = new Map();
      for (const change of changes) {
        const [word, value] = change.split("=");
        const select = seams.get(word);
        if (select && [...select.options].some((option) => option.value === value)) chosen.set(word, value);
        else rest.push(change);
      }
      for (const [seam, select] of seams) select.value = chosen.get(seam) || "";
      more.value = rest.join(",");
      if (more.value || chosen.size) policies.open = true;
      const model = whole.startsWith("model:") && !start.given.includes(whole);
      for (const control of [...seams.values(), more]) control.disabled = !model;
    },
  };

  function group(label, options) {
    if (!options.length) return;
    const element = document.createElement("optgroup");
    element.label = label;
    for (const [value, text] of options) element.append(new Option(text, value));
    which.append(element);
  }
}

/** The name of the shown machine that is a real kernel run on request, if any. */
export function kernelShown() {
  return shownMachines().find((name) => name.startsWith("qemu:")) || "";
}
