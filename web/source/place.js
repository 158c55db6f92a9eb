// The current place: kept in the address, so that it can be shared and undone with "back".

export const place = {
  view: "program",
  name: "", // of the library, or empty where the text is one's own
  text: "",
  machines: ["model:6.1", "model:7.3"],
  compare: false,
  step: 0,
  part: "",
  scope: "small",
  path: [],
};

let packed = "";
let packedText = "";

const MOST_IN_ADDRESS = 16000;

/** Write the place to the address, as a new history entry if `push`. */
export async function keep(push) {
  const words = new URLSearchParams();
  words.set("view", place.view);
  if (place.name) words.set("program", place.name);
  else if (place.text) {
    if (place.text !== packedText) [packed, packedText] = [await pack(place.text), place.text];
    if (packed.length <= MOST_IN_ADDRESS) words.set("text", packed);
  }
  for (const machine of shownMachines()) words.append("on", machine);
  words.set("step", place.step + 1);
  if (place.part) words.set("part", place.part);
  if (place.view === "graph") {
    words.set("scope", place.scope);
    if (place.path.length) words.set("way", place.path.join("."));
  }
  const address = `#${words}`;
  if (address === location.hash) return;
  if (push) history.pushState(null, "", address);
  else history.replaceState(null, "", address);
}

/** True if the address contains the program. */
export function inAddress() {
  return place.view !== "program" || Boolean(place.name) || packed.length <= MOST_IN_ADDRESS;
}

/** Read the place from the address; return the program text if it contains one, and the mistakes in it. */
export async function read() {
  const words = new URLSearchParams(location.hash.slice(1));
  const wrong = [];
  const view = words.get("view") || "program";
  if (!["program", "graph", "bundle"].includes(view)) wrong.push(`The address names a view that does not exist: ${view}.`);
  place.view = ["graph", "bundle"].find((one) => one === view) || "program";
  place.name = words.get("program") || "";
  const [first, second, ...others] = words.getAll("on");
  const machines = [first, second].filter(Boolean);
  if (others.length) wrong.push(`The page can show only two machines; left out: ${others.join(", ")}.`);
  if (machines.length) {
    place.machines = [machines[0], machines[1] || place.machines[1]];
    place.compare = machines.length > 1;
  }
  place.step = Math.max(0, (parseInt(words.get("step"), 10) || 1) - 1);
  place.part = words.get("part") || "";
  place.scope = words.get("scope") || place.scope;
  place.path = (words.get("way") || "").split(".").filter(Boolean).map(Number).filter(Number.isInteger);
  const text = words.get("text") ? await unpack(words.get("text")) : "";
  const damaged = Boolean(words.get("text")) && !text;
  if (damaged) wrong.push("The program in the address is damaged: copy the link again, or choose another program.");
  return { text, damaged, wrong: wrong.join(" ") };
}

/** The shown machines: only the first in a graph or without a comparison. */
export function shownMachines() {
  return place.compare && place.view !== "graph" ? place.machines : place.machines.slice(0, 1);
}

async function pack(text) {
  const bytes = await through(new Blob([text]), new CompressionStream("deflate-raw"));
  let letters = "";
  for (const byte of bytes) letters += String.fromCharCode(byte);
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

async function unpack(packed) {
  try {
    const letters = atob(packed.replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
    const text = await through(new Blob([bytes]), new DecompressionStream("deflate-raw"));
    return new TextDecoder().decode(text);
  } catch {
    return "";
  }
}

async function through(blob, stream) {
  return new Uint8Array(await new Response(blob.stream().pipeThrough(stream)).arrayBuffer());
}
