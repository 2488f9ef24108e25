// Copies what is shown once; where the browser does not allow it, it can be selected by hand.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
      button.lastElementChild.textContent = button.dataset.done;
    });
  }
}
