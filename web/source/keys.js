// The keyboard: everything that the mouse can reach.

/** Handle keys outside fields and the editor; `acts` has the action of each key. */
export function hearKeys(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, .cm-editor, dialog, summary")) return;
    const inButton = event.target.closest("button");
    // Enter presses a button; in the picture it opens the rule.
    if (event.key === "Enter" && inButton) return;
    const act = acts[event.key];
    if (!act || act() === false) return;
    event.preventDefault();
  });
}
