// Copies the link; where the browser does not allow it, it can be selected by hand.
const field = document.querySelector("[data-copy]");
const button = document.querySelector("[data-copy-button]");
const status = document.querySelector("[data-copied]");

field.addEventListener("focus", () => field.select());
if (navigator.clipboard) {
  button.hidden = false;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(field.value);
    status.textContent = button.lastElementChild.textContent = status.dataset.text;
  });
}
