// Sends images one by one, a few at a time, and shows of each how far it is and what came of it.
const AT_ONCE = 3;
const POLL_MS = 3000;
const WAITING = "waiting";
const ACTIVE = new Set(["sending", "judging"]);
const FINAL = new Set(["done", "failed", "cancelled"]);

class Row {
  constructor(item, template, queue) {
    Object.assign(this, item);
    this.queue = queue;
    this.element = template.content.firstElementChild.cloneNode(true);
    this.bar = this.part("progress");
    this.part("[data-name]").textContent = this.name;
    this.part("[data-cancel]").addEventListener("click", () => queue.cancel(this));
    this.part("[data-retry]").addEventListener("click", () => queue.retry(this));
    for (const button of this.element.querySelectorAll("button")) {
      button.setAttribute("aria-label", button.getAttribute("aria-label").replace("{name}", () => this.name));
    }
    if (this.file) this.preview();
    if (this.problem) this.fail(this.problem);
    else this.set(WAITING);
  }

  part(selector) {
    return this.element.querySelector(selector);
  }

  preview() {
    const image = this.part("img");
    image.onload = () => {
      image.hidden = false;
      this.part(".queue-picture .icon").remove();
      URL.revokeObjectURL(image.src);
    };
    image.onerror = () => URL.revokeObjectURL(image.src);
    image.src = URL.createObjectURL(this.file);
  }

  set(state, share = 0) {
    this.state = state;
    this.share = FINAL.has(state) ? 1 : share;
    this.element.dataset.state = state;
    if (state === "judging") this.bar.removeAttribute("value");
    else this.bar.value = this.share;
    this.part("[data-cancel]").hidden = FINAL.has(state);
    this.part("[data-retry]").hidden = !(state === "cancelled" || (state === "failed" && !this.problem));
    this.queue.update();
  }

  fail(message) {
    this.part("[data-problem]").textContent = message;
    this.set("failed");
  }

  show(answer) {
    this.part("[data-link]").href = this.address = answer.url ?? this.address;
    this.part("[data-known]").hidden = !answer.known;
    for (const badge of this.element.querySelectorAll("[data-kind]")) {
      badge.hidden = badge.dataset.kind !== answer.kind;
    }
    this.set("done");
    if (answer.state === "pending") setTimeout(() => this.poll(), POLL_MS);
  }

  async poll() {
    try {
      const answer = await fetch(this.address, { headers: { Accept: "application/json" } });
      if (answer.status >= 500) throw new Error("The portal is away for a moment.");
      if (answer.ok && this.element.isConnected) this.show(await answer.json());
    } catch {
      setTimeout(() => this.poll(), POLL_MS);
    }
  }

  send() {
    const request = this.request = new XMLHttpRequest();
    const body = new FormData();
    body.append("csrf_token", this.queue.form.elements.csrf_token.value);
    if (this.file) body.append("image", this.file, this.name);
    else body.append("url", this.url);
    request.open("POST", this.file ? this.queue.form.action : document.querySelector("[data-address]").action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.onprogress = (event) => this.set("sending", event.loaded / event.total);
    request.upload.onload = () => this.set("judging", 1);
    request.onload = () => this.finish(request);
    request.onerror = () => this.fail(document.querySelector("[data-offline]").textContent);
    request.onloadend = () => this.queue.next();
    this.set("sending");
    request.send(body);
  }

  finish({ status, response }) {
    if (response?.url) this.show(response);
    else if (response?.detail) {
      // What the server has looked at and refused stays refused.
      if (status === 413 || status === 422) this.problem = response.detail;
      this.fail(response.detail);
    } else this.fail(document.querySelector(status === 200 ? "[data-expired]" : "[data-offline]").textContent);
  }
}

export class Queue {
  constructor(form, changed) {
    this.form = form;
    this.changed = changed;
    this.rows = [];
    this.part = (name) => form.querySelector(`[data-${name}]`);
    this.part("cancel-all").addEventListener("click", () => this.rows.forEach((row) => this.cancel(row)));
    this.part("retry-all").addEventListener("click", () => {
      this.rows.filter((row) => row.state === "failed" && !row.problem).forEach((row) => row.set(WAITING));
      this.start();
    });
    this.part("clear").addEventListener("click", () => this.clear());
    form.addEventListener("focusin", (event) => { this.focused = event.target; });
  }

  get size() { return this.rows.length; }
  get waiting() { return this.count(WAITING); }
  get busy() { return this.rows.some((row) => ACTIVE.has(row.state)); }

  count(...states) {
    return this.rows.filter((row) => states.includes(row.state)).length;
  }

  add(item) {
    const row = new Row(item, document.querySelector("template[data-row]"), this);
    this.rows.push(row);
    this.part("rows").append(row.element);
    this.update();
  }

  start() {
    this.running = true;
    this.next();
  }

  next() {
    while (this.running && this.count("sending", "judging") < AT_ONCE) {
      const row = this.rows.find(({ state }) => state === WAITING);
      if (!row) break;
      row.send();
    }
    if (this.busy || this.waiting) return;
    this.running = false;
    // Of a single image one wants to read the verdict at once.
    const [only] = this.rows;
    if (this.size === 1 && only.state === "done") window.location.assign(only.address);
  }

  cancel(row) {
    if (FINAL.has(row.state)) return;
    row.set("cancelled");
    row.request?.abort();
    this.next();
  }

  retry(row) {
    row.set(WAITING);
    this.start();
  }

  clear() {
    this.running = false;
    this.rows.forEach((row) => this.cancel(row));
    this.rows.forEach((row) => row.element.remove());
    this.rows = [];
    this.update();
  }

  update() {
    const total = this.size;
    const failed = this.count("failed");
    const summary = this.part("summary");
    this.part("queue").hidden = total === 0;
    summary.textContent = (failed ? summary.dataset.textFailed : summary.dataset.text)
      .replace("{done}", this.count("done")).replace("{total}", total).replace("{failed}", failed);
    this.part("total").max = Math.max(total, 1);
    this.part("total").value = this.rows.reduce((sum, row) => sum + row.share, 0);
    this.part("cancel-all").hidden = !this.busy;
    this.part("retry-all").hidden = !this.rows.some((row) => row.state === "failed" && !row.problem);
    this.changed();
    this.keepFocus();
  }

  // Whoever goes by keyboard stays near the button that was pressed, though it has gone.
  keepFocus() {
    // Some browsers take the focus away as soon as a button is hidden, others later.
    const lost = document.activeElement === document.body || document.activeElement === this.focused;
    if (!lost || !this.focused || this.focused.checkVisibility()) return;
    const near = this.focused.closest(".queue-row")?.querySelectorAll("a, button") ?? [];
    const next = [...near].find((element) => element.checkVisibility());
    (next ?? this.form.querySelector(this.size ? "[data-submit]" : "[data-drop] input")).focus();
  }
}
