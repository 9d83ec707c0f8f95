// What stands where there is nothing yet: why, and what to do about it.

import { make } from "./dom.js";

/** Return a place that is empty, with what to do; commands are shown as such. */
export function empty(title, text, command = null, ...more) {
  return make("div", { class: "empty card" },
    make("p", {}, make("strong", {}, title)),
    make("p", {}, text),
    command ? make("p", {}, make("code", { class: "command" }, command)) : null,
    ...more);
}

/** Return a button. */
export function button(text, kind, work, attributes = {}) {
  return make("button", { type: "button", class: kind, ...attributes, on: { click: work } }, text);
}

/** Return a row of choices of which one holds; `chosen(value)` hears of another. */
export function oneOf(name, title, options, value, chosen) {
  const inputs = options.map(([key, text]) =>
    make("label", {},
      make("input", { type: "radio", name, value: key, checked: key === value,
        on: { change: () => chosen(key) } }),
      make("span", {}, text)));
  return make("div", { class: "switch", role: "radiogroup", "aria-label": title }, inputs);
}
