// The state as a table, in the order of the picture, for screen readers.

/** Fill the table with rows from the server; `machines` are its column headings. */
export function fillTable(table, rows, machines) {
  const head = document.createElement("thead");
  head.append(row("th", ["Part", ...machines], "col"));
  const body = document.createElement("tbody");
  for (const item of rows) {
    const line = document.createElement("tr");
    const name = document.createElement("th");
    name.scope = "row";
    name.textContent = item.part + (item.differs ? " (differs)" : "");
    line.append(name);
    if (item.differs) line.className = "differs";
    item.cells.forEach((cell, at) => {
      const data = document.createElement("td");
      data.textContent = cell.length ? cell.join("\n") : "none";
      if (item.changed[at]) data.title = "changed in this step";
      line.append(data);
    });
    body.append(line);
  }
  table.replaceChildren(head, body);
}

function row(kind, texts, scope) {
  const line = document.createElement("tr");
  for (const text of texts) {
    const cell = document.createElement(kind);
    cell.scope = scope;
    cell.textContent = text;
    line.append(cell);
  }
  return line;
}
