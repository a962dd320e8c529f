"use strict";
// The buttons that copy tables. Where the clipboard may not be written, the text is shown and selected instead.
for (const button of document.querySelectorAll("button[data-copies]")) {
  const box = button.closest(".copies"), text = document.getElementById(button.dataset.copies);
  const tell = (words) => { box.querySelector("[role=status]").textContent = words; };
  button.addEventListener("click", async () => {
    tell("");
    try {
      await navigator.clipboard.writeText(text.textContent);
      tell(`${button.dataset.form} copied.`);
    } catch {
      box.querySelector("details").open = true;
      getSelection().selectAllChildren(text);
      tell(`${button.dataset.form} selected; press Ctrl+C or ⌘C to copy.`);
    }
  });
  button.hidden = false;
}
