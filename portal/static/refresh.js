// Reloads a page that waits for something as soon as the server's state differs from the one shown.
const waiting = document.querySelector("[data-poll]");
const seconds = 3;

async function poll() {
  try {
    const answer = await fetch(waiting.dataset.poll, { headers: { Accept: "application/json" } });
    if (answer.ok && (await answer.json()).state !== waiting.dataset.pollWhile) {
      window.location.reload();
      return;
    }
  } catch {
    // The network is away for a moment: the next round asks again.
  }
  setTimeout(poll, seconds * 1000);
}

if (waiting) setTimeout(poll, seconds * 1000);
