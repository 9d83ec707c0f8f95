// What survives a reload: the state of each view in sessionStorage, and the view in the address.

const KEY = "bardling.state";
let kept = {};
try {
  kept = JSON.parse(sessionStorage.getItem(KEY)) || {};
} catch {
  kept = {};
}

/** Return what a part of the page was left with, over its defaults. */
export function recall(part, defaults) {
  return { ...defaults, ...(kept[part] || {}) };
}

/** Keep what a part of the page is to find again. */
export function remember(part, values) {
  kept[part] = { ...(kept[part] || {}), ...values };
  try {
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // storage is full or switched off: nothing survives, everything works
  }
}

/** Return the view and the words that the address names: #training?run=demo&x=tokens. */
export function address() {
  const [view, query] = location.hash.replace(/^#/, "").split("?");
  return { view, words: new URLSearchParams(query || "") };
}

/** Write the view and its words into the address, as a place to come back to if `anew`. */
export function goTo(view, words = new URLSearchParams(), anew = false) {
  const query = words.toString();
  const hash = `#${view}${query ? `?${query}` : ""}`;
  if (hash === location.hash) return;
  if (anew) history.pushState(null, "", hash);
  else history.replaceState(null, "", hash);
}
