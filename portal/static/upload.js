// Shows the chosen file, refuses what is too large before it is sent, and says that the detector works.
document.documentElement.classList.add("js");

const form = document.querySelector("[data-upload]");
const part = (name) => form.querySelector(`[data-${name}]`);
const input = form.querySelector("input[type=file]");
const drop = part("drop");

function show(file) {
  part("error").textContent = "";
  drop.classList.toggle("chosen", Boolean(file));
  drop.classList.remove("invalid");
  const preview = part("preview");
  if (preview.src) URL.revokeObjectURL(preview.src);
  preview.hidden = true;
  part("drop-icon").hidden = false;
  if (!file) {
    part("drop-title").textContent = "Choose an image, or drop it here";
    return true;
  }
  part("drop-title").textContent = file.name;
  part("drop-hint").textContent = `${(file.size / 1e6).toFixed(file.size < 1e5 ? 2 : 1)} MB. Choose again to replace it.`;
  if (file.size > Number(form.dataset.maxBytes)) {
    drop.classList.add("invalid");
    part("error").textContent = `This file is too large: the limit is ${form.dataset.maxText}. Choose a smaller copy.`;
    return false;
  }
  preview.onload = () => {
    preview.hidden = false;
    part("drop-icon").hidden = true;
  };
  preview.src = URL.createObjectURL(file);
  return true;
}

show(null);
input.addEventListener("change", () => show(input.files[0]));
for (const name of ["dragenter", "dragover"]) input.addEventListener(name, () => drop.classList.add("over"));
for (const name of ["dragleave", "drop"]) input.addEventListener(name, () => drop.classList.remove("over"));

form.addEventListener("submit", (event) => {
  if (input.files[0] && !show(input.files[0])) {
    event.preventDefault();
    return;
  }
  form.classList.add("busy");
  part("submit").disabled = true;
  part("submit-text").textContent = "Checking…";
  part("status").textContent = "The image is being sent and judged.";
});

// Coming back with the browser's button must not leave the form as it was when it was sent.
window.addEventListener("pageshow", () => {
  form.classList.remove("busy");
  part("submit").disabled = false;
  part("submit-text").textContent = "Check this image";
});
