// The library: its programs by section, each with its question, and a filter.

/** The list in its dialog, opened by a button that shows the current program; `choose` is called with a name. */
export function makeLibrary(programs, choose) {
  const byId = (id) => document.getElementById(id);
  const [opener, dialog, filter, list] = ["library", "programs", "programs-filter", "programs-list"].map(byId);
  let current = "";

  function named(name, asks) {
    const parts = [
      ["name", name],
      ["asks", asks],
    ];
    return parts.map(([kind, text]) => Object.assign(document.createElement("span"), { className: kind, textContent: text }));
  }

  function item(program) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...named(program.name, program.asks));
    if (program.name === current) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => {
      dialog.close();
      choose(program.name);
    });
    const line = document.createElement("li");
    line.append(button);
    return line;
  }

  /** All sections; those without a match are hidden, those with a match are expanded. */
  function fill() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fits = (program) => words.every((word) => `${program.name} ${program.asks} ${program.section}`.toLowerCase().includes(word));
    const found = programs.filter(fits);
    byId("programs-said").textContent = `${found.length} of ${programs.length} programs`;
    list.replaceChildren(
      ...[...new Set(found.map((program) => program.section))].map((name) => {
        const some = found.filter((program) => program.section === name);
        const section = document.createElement("details");
        section.open = words.length > 0 || some.some((program) => program.name === current);
        const summary = document.createElement("summary");
        summary.textContent = `${name} (${some.length})`;
        const lines = document.createElement("ul");
        lines.append(...some.map(item));
        section.append(summary, lines);
        return section;
      }),
    );
  }

  /** Scroll only the list to the program, with the section heading if there is room. */
  function bringInSight(button) {
    if (!button) return;
    const head = button.closest("details").offsetTop - list.offsetTop;
    const least = button.offsetTop + button.offsetHeight - list.offsetTop - list.clientHeight;
    list.scrollTop = Math.max(head, least);
  }

  filter.addEventListener("input", fill);
  opener.addEventListener("click", () => {
    filter.value = "";
    fill();
    dialog.showModal();
    bringInSight(list.querySelector("[aria-current]"));
    filter.focus({ preventScroll: true });
  });

  return {
    /** Show which program is open; an empty name means the user's own program. */
    show(name) {
      current = name;
      const program = programs.find((one) => one.name === name);
      opener.replaceChildren(...named(`${name || "Your own program"} ▾`, program ? program.asks : "Choose a program from the library"));
    },
  };
}
