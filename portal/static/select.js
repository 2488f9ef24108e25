// Selects all of a page at once, says how many are selected, and offers what can be done with them.
const form = document.querySelector("[data-selection]");

if (form) {
  document.documentElement.classList.add("js");
  const all = form.querySelector("[data-all]");
  const count = form.querySelector("[data-count]");
  const actions = form.querySelector("[data-actions]");
  const boxes = [...form.querySelectorAll("input[name=id]")];
  const update = () => {
    const number = boxes.filter((box) => box.checked).length;
    all.checked = number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
    actions.hidden = number === 0;
    count.textContent = number ? count.dataset.text.replace("{number}", number) : "";
  };
  all.addEventListener("change", () => {
    boxes.forEach((box) => { box.checked = all.checked; });
    update();
  });
  boxes.forEach((box) => box.addEventListener("change", update));
  update();
}
