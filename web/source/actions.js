// Saving and sharing: the picture, the address, the program, and the program as C.

import { inAddress, place, shownMachines } from "./place.js";
import { work } from "./work.js";

const byId = (id) => document.getElementById(id);

/** Handle the buttons; `shown` returns the SVG and the program now shown. */
export function hearActions(shown) {
  byId("save-picture").addEventListener("click", () => {
    const { svg } = shown();
    if (!svg) return done("There is no picture to save.", true);
    save(`${name()}-step-${place.step + 1}.svg`, "image/svg+xml", svg);
  });
  byId("save-program").addEventListener("click", () => {
    const { program } = shown();
    if (!program) return done("There is no program to save.", true);
    save(`${name()}.pfn`, "text/plain", program);
  });
  byId("copy-link").addEventListener("click", () => {
    if (!inAddress()) return done("This program is too long for a link: download it instead.", true);
    return copy(location.href, "Copied. The link works in this browser as long as this explorer is running.");
  });
  byId("as-c").addEventListener("click", async () => {
    const answer = await work("c", { program: place.text, machines: shownMachines() }).answer;
    if (answer.stopped) return;
    if (answer.refused || answer.mistake) return done(answer.refused || answer.mistake.message, true);
    await copy(answer.text, "Copied as C.");
  });
}

/** Report the result of a button next to the buttons; an empty text clears it. */
export function done(text, bad = false) {
  byId("done").textContent = text;
  byId("done").classList.toggle("bad", bad);
}

function name() {
  if (place.view === "graph") return `path-${place.scope}`;
  return place.name.split("/").pop() || "program";
}

function save(file, type, text) {
  const address = URL.createObjectURL(new Blob([text], { type }));
  const link = Object.assign(document.createElement("a"), { href: address, download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
  done(`Saved as ${file}.`);
}

async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    done(said);
  } catch {
    done("The browser does not permit copying.", true);
  }
}
