// The rule behind a part: its text, the kernel code it models, and where it is implemented.

import { ask } from "./ask.js";

/** Show the rules of `part` in `section`; nothing without rules. */
export async function showRule(section, part) {
  if (!part) {
    section.hidden = true;
    return;
  }
  const numbers = (part.dataset.rule || part.closest("[data-rule]")?.dataset.rule || "").split(" ").filter(Boolean);
  const heading = text("h2", part.getAttribute("aria-label"));
  section.hidden = false;
  if (part.dataset.row) {
    section.replaceChildren(heading);
    return;
  }
  if (!numbers.length) {
    section.replaceChildren(heading, text("p", "No single rule explains this part."));
    return;
  }
  const rules = await Promise.all(numbers.map((rule) => ask("rule", { rule })));
  section.replaceChildren(heading, ...rules.flatMap(lines));
}

function lines(rule) {
  if (rule.refused) return [text("p", rule.refused)];
  const body = text("p", rule.text.replaceAll("**", ""));
  const answer = [text("h3", `${rule.number} ${rule.title}`), body];
  if (rule.kernel) answer.push(text("p", `Kernel: ${rule.kernel.replaceAll("`", "")}`, "quiet"));
  if (rule.places.length)
    answer.push(
      text("p", `Source: ${rule.places.map((at) => `${at.file}${at.line ? `:${at.line}` : ""} ${at.name}`).join(", ")}`, "quiet"),
    );
  return answer;
}

function text(kind, content, name) {
  const element = document.createElement(kind);
  element.textContent = content;
  if (name) element.className = name;
  return element;
}
