// The checker's graph: the current state, possible next operations, violations, and search results.

import { ask } from "./ask.js";
import { known } from "./violations.js";

/** The graph view; `go` is called with the chosen path, which has at most `most` operations. */
export function makeGraph(go, most) {
  const byId = (id) => document.getElementById(id);
  let job = "";

  /** Show a state; `here` is the server's answer. */
  function show(here, path) {
    const way = [button("start", () => go([]))];
    here.ops.forEach((op, at) => way.push(button(op, () => go(path.slice(0, at + 1)))));
    way[path.length]?.setAttribute("aria-current", "step");
    byId("way-steps").replaceChildren(...way.map(item));
    const already = here.properties.filter((property) => property.holds === false).map((property) => property.name);
    byId("next").replaceChildren(
      ...here.next.map((next, at) => {
        const newly = next.violates.filter((name) => !already.includes(name));
        const broken = newly.length ? ` breaks ${newly.join(", ")}` : "";
        const made = button(`${next.op}${next.back ? " (back)" : ""}${broken}`, () => go([...path, at]));
        if (newly.length) made.classList.add("violates");
        if (next.back) made.classList.add("back");
        made.disabled = path.length >= most;
        return item(made);
      }),
    );
    byId("next-said").textContent = path.length >= most ? `A path has at most ${most} operations.` : "";
    byId("to-program").disabled = !here.program;
    byId("properties").replaceChildren(
      ...here.properties.map((property) => {
        const line = document.createElement("li");
        const sign = document.createElement("span");
        sign.className = "sign";
        const always = property.kind === "always";
        if (property.holds === null) sign.textContent = "— not applicable";
        else if (always) sign.textContent = property.holds ? "✓ holds" : "✗ violated";
        else sign.textContent = property.holds ? "✓ reached" : "– not here";
        if (always && property.holds === false) line.className = "bad";
        line.append(sign, ` ${property.name}: ${property.asks}. `, known(property.known));
        return line;
      }),
    );
  }

  /** Search the whole scope in the background, and list the violations. */
  async function search(machine, scope) {
    if (job) {
      await ask("job", { job, stop: true });
      ended("stopped");
      return;
    }
    byId("counterexamples").replaceChildren();
    let progress = await ask("search", { machine, scope });
    job = progress.job || "";
    byId("search").textContent = "Stop the search";
    while (job && !progress.refused && !progress.done) {
      byId("search-said").textContent = `searching for ${progress.seconds} s`;
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (job) progress = await ask("job", { job });
    }
    if (!job && !progress.refused) return;
    if (progress.refused || progress.failed) return ended(progress.refused || progress.failed);
    const found = progress.answer;
    const broken = found.properties.filter((property) => property.verdict === "violated" && property.path);
    ended(
      `${found.states} states${found.complete ? ", all there are" : ", cut off"}: ` +
        (broken.length ? `${broken.length} violated` : "no violations"),
    );
    byId("counterexamples").replaceChildren(
      ...broken.map((property) => {
        const line = item(button(`✗ ${property.name} in ${property.path.length}`, () => go(property.path)));
        line.append(` ${property.asks}.`);
        return line;
      }),
    );
  }

  function ended(said) {
    job = "";
    byId("search").textContent = "Search for counterexamples";
    byId("search-said").textContent = said;
  }

  return { show, search };
}

function button(text, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.textContent = text;
  made.title = text;
  made.addEventListener("click", act);
  return made;
}

function item(content) {
  const line = document.createElement("li");
  line.append(content);
  return line;
}
