// Lets the reader fade the heatmap in and out; without this script it can still be switched on and off.
const heat = document.querySelector("[data-heat]");

if (heat) {
  const slider = document.querySelector("[data-heat-slider]");
  const opacity = document.querySelector("[data-heat-opacity]");
  const apply = () => { heat.style.opacity = Number(opacity.value) / 100; };
  slider.hidden = false;
  opacity.addEventListener("input", apply);
  apply();
}
