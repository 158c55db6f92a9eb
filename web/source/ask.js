// Questions to the server. The token came behind # in the address and is kept for this origin alone.

const KEY = "pfnlab token";

/** Take the token out of the address, so that what is copied from there does not hold it. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  if (!token) return;
  localStorage.setItem(KEY, token);
  given.delete("token");
  history.replaceState(null, "", `#${given}`);
}

/** The answer to one question; what is refused has `refused`, a mistake in a program `mistake`, and what `signal` has
 * stopped `stopped`. The server stops work on an abandoned question. */
export function ask(kind, question = {}, signal = undefined) {
  return post(kind, "application/json", JSON.stringify({ ask: kind, ...question }), signal);
}

/** The same about a bundle, sent unchanged; its name is for messages. */
export function askOf(name, bytes, signal) {
  return post(`bundle?${new URLSearchParams({ name })}`, "application/octet-stream", bytes, signal);
}

async function post(place, type, body, signal) {
  try {
    const headers = { "content-type": type, authorization: `Bearer ${localStorage.getItem(KEY) || ""}` };
    return await read(await fetch(`/api/${place}`, { method: "POST", headers, body, signal }));
  } catch {
    if (signal?.aborted) return { stopped: true };
    return { refused: "the explorer has ended: start it again with `pfnlab explore`" };
  }
}

async function read(reply) {
  if (reply.headers.get("content-type") === "application/json") return reply.json();
  return { refused: await reply.text() };
}

/** Of several questions of one kind that overtake each other only the last counts. */
export function latest(answer) {
  let number = 0;
  return async (...words) => {
    const mine = ++number;
    await answer(() => mine === number, ...words);
  };
}
