// Chosen, dropped, pasted and photographed images become rows of the queue; the form works without this.
import { Queue } from "./queue.js";

document.documentElement.classList.add("js");

const form = document.querySelector("[data-upload]");
form.noValidate = true; // what is chosen moves from the field into the queue
const input = form.querySelector("[data-drop] input");
const drop = form.querySelector("[data-drop]");
const error = form.querySelector("[data-error]");
const submit = form.querySelector("[data-submit]");
const submitText = form.querySelector("[data-submit-text]");
const addressForm = document.querySelector("[data-address]");
const queue = new Queue(form, changed);

function changed() {
  const { checkOne, checkMany, checking, chooseMore } = form.dataset;
  const number = queue.waiting;
  if (queue.busy) submitText.textContent = checking;
  else if (number > 1) submitText.textContent = checkMany.replace("{number}", number);
  else if (number || !queue.size) submitText.textContent = checkOne;
  else submitText.textContent = chooseMore;
  form.classList.toggle("busy", queue.busy);
}

function add(files) {
  error.textContent = "";
  drop.classList.remove("invalid");
  for (const file of files) {
    const tooLarge = file.size > Number(form.dataset.maxBytes);
    queue.add({ file, name: file.name, problem: tooLarge ? form.dataset.tooLarge : "" });
  }
  if (files.length) submit.focus();
}

function take(field) {
  add([...field.files]);
  field.value = "";
}

for (const field of [input, form.querySelector("[data-camera]")]) {
  field.addEventListener("change", () => take(field));
  if (field.files.length) take(field); // chosen while this script was on its way
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (queue.waiting) queue.start();
  else if (queue.size) queue.busy || input.click();
  else {
    drop.classList.add("invalid");
    error.textContent = form.dataset.chooseFirst;
  }
});

addressForm?.addEventListener("submit", (event) => {
  event.preventDefault();
  const field = addressForm.querySelector("input[type=url]");
  const url = field.value.trim();
  if (!url) return field.focus();
  field.value = "";
  queue.add({ url, name: url });
  queue.start();
});

// The whole page takes what is dropped: a near miss must not open the file instead.
let depth = 0;
const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
window.addEventListener("dragenter", (event) => {
  if (carriesFiles(event)) drop.classList.toggle("over", ++depth > 0);
});
window.addEventListener("dragleave", (event) => {
  if (carriesFiles(event)) drop.classList.toggle("over", --depth > 0);
});
window.addEventListener("dragover", (event) => {
  if (carriesFiles(event)) event.preventDefault();
});
window.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  depth = 0;
  drop.classList.remove("over");
  add([...event.dataTransfer.files]);
});

window.addEventListener("paste", (event) => {
  const files = [...(event.clipboardData?.files ?? [])];
  if (!files.length) return;
  event.preventDefault();
  add(files);
});

window.addEventListener("beforeunload", (event) => {
  if (queue.busy) event.preventDefault();
});
