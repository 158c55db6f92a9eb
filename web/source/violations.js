// The properties that a step breaks: whose step, what the property says, and why that is known.

import { ask } from "./ask.js";

/** A line for each violation; machines that break a property in the same way share one. */
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

/** The reason of a known violation; the bug or the rule that it names is shown on request. */
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
