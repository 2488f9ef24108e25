// Selects all of a page at once, and says how many are selected.
const form = document.querySelector("[data-selection]");

if (form) {
  document.documentElement.classList.add("js");
  const all = form.querySelector("[data-all]");
  const count = form.querySelector("[data-count]");
  const boxes = [...form.querySelectorAll("input[name=id]")];
  const update = () => {
    const number = boxes.filter((box) => box.checked).length;
    all.checked = number === boxes.length;
    all.indeterminate = number > 0 && number < boxes.length;
    count.textContent = number ? count.dataset.text.replace("{number}", number) : "";
  };
  all.addEventListener("change", () => {
    boxes.forEach((box) => { box.checked = all.checked; });
    update();
  });
  boxes.forEach((box) => box.addEventListener("change", update));
  update();
}
