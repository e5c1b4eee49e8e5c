for (const box of document.querySelectorAll("[data-table]")) {
  const table = box.querySelector("table");
  const lines = (pick) =>
    [...table.rows].map((row) => [...row.cells].map((cell) => pick(cell)));
  const plain = (cell) => cell.dataset.plain ?? cell.textContent.trim();
  const shown = (cell) => (cell.textContent.trim() || plain(cell)).replaceAll("|", "\\|");
  const quote = (text) => (/[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  const forms = {
    "Copy as CSV": () => lines(plain).map((row) => row.map(quote).join(",")).join("\n"),
    "Copy as Markdown": () => {
      const [head, ...rows] = lines(shown).map((row) => `| ${row.join(" | ")} |`);
      return [head, `|${" --- |".repeat(table.rows[0].cells.length)}`, ...rows].join("\n");
    },
  };
  for (const [name, form] of Object.entries(forms)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(form() + "\n").then(
        () => (button.textContent = "Copied"),
        () => (button.textContent = "Not allowed here"),
      );
      setTimeout(() => (button.textContent = name), 1500);
    });
    box.querySelector(".actions").append(button);
  }
}
