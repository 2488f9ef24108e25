// Reloads a page that waits for something as soon as the server's state differs from the one shown.
const waiting = document.querySelector("[data-poll]");
const seconds = 3;

// A reload must take away neither what somebody writes nor what is selected.
const edited = () => [...document.querySelectorAll("main form :is(input, textarea)")].some(
  (field) => field.value !== field.defaultValue || field.checked !== field.defaultChecked,
);

async function poll() {
  try {
    const answer = await fetch(waiting.dataset.poll, { headers: { Accept: "application/json" } });
    if (answer.ok && (await answer.json()).state !== waiting.dataset.pollWhile && !edited()) {
      window.location.reload();
      return;
    }
  } catch {
    // The network is away for a moment: the next round asks again.
  }
  setTimeout(poll, seconds * 1000);
}

if (waiting) setTimeout(poll, seconds * 1000);
