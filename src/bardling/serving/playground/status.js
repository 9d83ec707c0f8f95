// Says what the page is doing, in one line that is always in sight. Figures that change many times a
// second are only shown; what a reader should hear is told to the live region.

const line = document.getElementById("status");
const shown = document.getElementById("status-text");
const said = document.getElementById("status-said");
const alarmed = document.getElementById("alarm");
let turns = 0;

/** Show what is going on, without telling it aloud. */
export function show(text, state = "busy") {
  turns += 1;
  line.dataset.state = state;
  alarmed.textContent = "";
  shown.textContent = text;
}

/** Show and tell. */
export function say(text, state = "idle") {
  show(text, state);
  said.textContent = text;
}

/** Tell what went wrong, in a sentence. */
export function alarm(error) {
  turns += 1;
  line.dataset.state = "alarm";
  shown.textContent = "";
  said.textContent = "";
  const text = error instanceof Error ? error.message : String(error);
  alarmed.textContent = text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * Do some work, tell while it lasts, and tell what went wrong; returns whether it went well.
 *
 * Where something else has been told meanwhile, that stays.
 */
export async function during(text, work, after = "Ready") {
  show(text);
  const mine = turns;
  try {
    await work();
    if (after && turns === mine) show(after, "idle");
    return true;
  } catch (error) {
    if (error.name === "AbortError") return false;
    alarm(error);
    return false;
  }
}
