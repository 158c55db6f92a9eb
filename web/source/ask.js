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
 * stopped `stopped`. The server ends the work on a question that nobody waits for. */
export async function ask(kind, question = {}, signal = undefined) {
  try {
    const reply = await fetch(`/api/${kind}`, {
      method: "POST",
      headers: {
        "content-type": "application/json",
        authorization: `Bearer ${localStorage.getItem(KEY) || ""}`,
      },
      body: JSON.stringify({ ask: kind, ...question }),
      signal,
    });
    return await read(reply);
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
