// Saving and sharing: the picture, the address, the program, and the same as C.

import { inAddress, place, shownMachines } from "./place.js";
import { work } from "./work.js";

const byId = (id) => document.getElementById(id);

/** Hear the buttons; `shown` returns the picture's SVG and the program that are shown. */
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
    return copy(location.href, "Copied. The link works in this browser while this explorer runs.");
  });
  byId("as-c").addEventListener("click", async () => {
    const answer = await work("c", { program: place.text, machines: shownMachines() }).answer;
    if (answer.stopped) return;
    if (answer.refused || answer.mistake) return done(answer.refused || answer.mistake.message, true);
    await copy(answer.text, "Copied as C.");
  });
}

/** Report what a button did, next to the buttons; nothing for an empty text. */
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
    done("The browser does not allow copying.", true);
  }
}
