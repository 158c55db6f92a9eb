// Questions to the server. The token came after # in the address and is stored only for this origin.

const KEY = "pfnlab token";

/** Remove the token from the address, so that a copied address does not contain it. */
export function takeToken() {
  const given = new URLSearchParams(location.hash.slice(1));
  const token = given.get("token");
  if (!token) return;
  localStorage.setItem(KEY, token);
  given.delete("token");
  history.replaceState(null, "", `#${given}`);
}

/** The answer to one question: `refused` if it was refused, `mistake` for a mistake in the program, `stopped` if `signal`
 * stopped it. The server stops work on an abandoned question. */
export function ask(kind, question = {}, signal = undefined) {
  return post(kind, "application/json", JSON.stringify({ ask: kind, ...question }), signal);
}

/** The same for a bundle, sent unchanged; its name is used in messages. */
export function askOf(name, bytes, signal) {
  return post(`bundle?${new URLSearchParams({ name })}`, "application/octet-stream", bytes, signal);
}

async function post(place, type, body, signal) {
  try {
    const headers = { "content-type": type, authorization: `Bearer ${localStorage.getItem(KEY) || ""}` };
    return await read(await fetch(`/api/${place}`, { method: "POST", headers, body, signal }));
  } catch {
    if (signal?.aborted) return { stopped: true };
    return { refused: "the explorer is no longer running: restart it with `pfnlab explore`" };
  }
}

async function read(reply) {
  if (reply.headers.get("content-type") === "application/json") return reply.json();
  return { refused: await reply.text() };
}

/** If questions of one kind overtake each other, only the last one counts. */
export function latest(answer) {
  let number = 0;
  return async (...words) => {
    const mine = ++number;
    await answer(() => mine === number, ...words);
  };
}
