// Predict, then see: the book and the log after the next step. The score stays in this browser.

const KEY = "pfnlab quiz";

/** The rows of one part of a state, on the first machine. */
function seen(rows, field) {
  const row = rows.find((item) => item.field === field);
  return row ? row.cells[0] : [];
}

/** Reservations as people write them: order, case and spaces do not matter. */
export function plainBook(lines) {
  return lines
    .map((line) => line.trim().toLowerCase().replace(/\s+/g, " ").replace(/ leaked$/, ""))
    .filter(Boolean)
    .sort();
}

export function makeQuiz(form, onward) {
  const byId = (id) => document.getElementById(id);
  const score = JSON.parse(localStorage.getItem(KEY) || '{"right":0,"asked":0}');
  let truth = null;

  function showScore() {
    byId("quiz-score").textContent = score.asked ? `${score.right} of ${score.asked} right` : "";
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!truth) return;
    const book = plainBook(seen(truth, "book"));
    const guessed = plainBook(byId("quiz-book").value.split("\n"));
    const log = seen(truth, "log");
    const bookRight = book.join("\n") === guessed.join("\n");
    const logRight = byId("quiz-log").checked === log.length > 0;
    score.asked += 1;
    if (bookRight && logRight) score.right += 1;
    localStorage.setItem(KEY, JSON.stringify(score));
    byId("quiz-said").textContent =
      `${byId("quiz-op").textContent}: ${bookRight ? "Right" : "Wrong"}: the book is ${book.join(", ") || "empty"}. ` +
      `${logRight ? "Right" : "Wrong"}: ${log.length ? `the log says ${log.join("; ")}` : "the log is empty"}.`;
    truth = null;
    showScore();
    onward();
  });

  return {
    /** Ask about the step after this one; `rows` is its state, or null at the end. */
    ask(op, rows) {
      truth = rows;
      byId("quiz-op").textContent = rows ? op : "That was the last step: go back to play again.";
      byId("quiz-book").value = "";
      byId("quiz-log").checked = false;
      for (const control of form.elements) control.disabled = !rows;
      showScore();
    },
  };
}
