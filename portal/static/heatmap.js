// Lets the reader fade the heatmap and enlarge the image; without this script the heatmap can be switched off.
const heat = document.querySelector("[data-heat]");
const stage = document.querySelector("[data-stage]");
const percent = new Intl.NumberFormat(document.documentElement.lang, { style: "percent" });
// Without it a screen reader would say the bare number.
const announce = (slider) => slider.setAttribute("aria-valuetext", percent.format(Number(slider.value) / 100));

if (heat) {
  const slider = document.querySelector("[data-heat-slider]");
  const opacity = document.querySelector("[data-heat-opacity]");
  const apply = () => {
    heat.style.opacity = Number(opacity.value) / 100;
    announce(opacity);
  };
  slider.hidden = false;
  opacity.addEventListener("input", apply);
  apply();
}

if (stage) {
  const layers = stage.querySelector("[data-layers]");
  const zoom = document.querySelector("[data-zoom]");
  document.querySelector("[data-zoom-slider]").hidden = false;
  announce(zoom);

  const enlarge = (x, y) => {
    announce(zoom);
    const factor = Number(zoom.value) / 100;
    const before = layers.getBoundingClientRect();
    const share = [(x - before.left) / before.width, (y - before.top) / before.height];
    if (factor === 1) {
      layers.style.width = stage.style.height = layers.dataset.width = "";
    } else {
      // The frame keeps its size, and what is too large for it scrolls.
      stage.style.height ||= `${stage.clientHeight}px`;
      layers.dataset.width ||= layers.clientWidth;
      layers.style.width = `${layers.dataset.width * factor}px`;
    }
    stage.classList.toggle("enlarged", factor > 1);
    const after = layers.getBoundingClientRect();
    stage.scrollLeft += after.left + share[0] * after.width - x;
    stage.scrollTop += after.top + share[1] * after.height - y;
  };
  const middle = () => {
    const frame = stage.getBoundingClientRect();
    return [frame.left + frame.width / 2, frame.top + frame.height / 2];
  };
  zoom.addEventListener("input", () => enlarge(...middle()));
  stage.addEventListener("dblclick", (event) => {
    zoom.value = zoom.value === "100" ? "300" : "100";
    enlarge(event.clientX, event.clientY);
  });
  stage.addEventListener("keydown", (event) => {
    // With Ctrl or Cmd, the browser enlarges the whole page.
    if (!["+", "-"].includes(event.key) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    zoom.value = Number(zoom.value) + (event.key === "+" ? 50 : -50);
    enlarge(...middle());
  });
}
