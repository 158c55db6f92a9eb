// The properties that a step violates: the machine, the meaning, and the reason if known.

import { ask } from "./ask.js";

/** A line for each violation; machines that violate a property in the same way share one. */
export function violationLines(broken) {
  const shared = new Map();
  for (const one of broken) {
    const key = JSON.stringify([one.property, one.says, one.known]);
    if (!shared.has(key)) shared.set(key, { ...one, machines: [] });
    shared.get(key).machines.push(one.machine);
  }
  return [...shared.values()].map((one) => {
    const line = document.createElement("li");
    const name = document.createElement("strong");
    name.textContent = `✗ ${one.property}`;
    const seen = one.says && one.says !== one.asks ? ` ${one.says}.` : "";
    line.append(name, ` on ${one.machines.join(" and ")}: ${one.asks}${one.asks && "."}${seen} `, known(one.known));
    return line;
  });
}

/** The reason for a known violation; its bug or rule is shown on request. */
export function known(why) {
  const match = /^([A-Z]\d+(?:\.\d+)*): /.exec(why);
  if (!match) return document.createTextNode(why && `Known: ${why}.`);
  const details = document.createElement("details");
  details.className = "known";
  const summary = document.createElement("summary");
  summary.textContent = `Known, ${why}`;
  details.append(summary);
  details.addEventListener("toggle", async () => {
    if (details.childElementCount > 1) return;
    const text = document.createElement("p");
    details.append(text);
    const rule = await ask("rule", { rule: match[1] });
    const kernel = rule.kernel ? ` Kernel: ${plain(rule.kernel)}.` : "";
    text.textContent = rule.refused || `${rule.number}, ${rule.title}: ${plain(rule.text)}${kernel}`;
  });
  return details;
}

function plain(markdown) {
  return markdown.replaceAll("**", "").replaceAll("`", "");
}
