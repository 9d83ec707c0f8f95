// The next-token distribution as bars: what the model says, and what sampling makes of it.

import { make, percent, visible } from "./dom.js";
import { rove } from "./roving.js";

/**
 * A list of candidates that can be picked; the elements stay while the bars move.
 *
 * `picked(candidate)` hears of the one that is taken.
 */
export class Candidates {
  constructor(id, title, picked) {
    this.list = make("div", { class: "candidates", role: "listbox", id, "aria-label": title });
    this.found = [];
    const take = (row) => picked(this.found[Number(row.dataset.place)]);
    rove(this.list, "[role=option]", { keys: "down", picked: take });
    this.list.addEventListener("click", (event) => {
      const row = event.target.closest("[role=option]");
      if (row) take(row);
    });
  }

  /** Show candidates: { text, p, shaped }; `chosen` is the id of the one that stands in the text. */
  show(found, chosen = null) {
    this.found = found;
    const top = Math.max(0.001, ...found.map((one) => Math.max(one.p, one.shaped)));
    while (this.list.children.length > found.length) this.list.lastElementChild.remove();
    while (this.list.children.length < found.length) this.list.append(row());
    found.forEach((one, place) => {
      const element = this.list.children[place];
      const [text, bars, before, after] = element.children;
      element.dataset.place = place;
      element.tabIndex = place === 0 ? 0 : -1;
      element.setAttribute("aria-selected", String(one.id === chosen));
      element.classList.toggle("out", one.shaped === 0);
      text.textContent = one.special ? one.text : visible(one.text);
      bars.children[0].style.setProperty("--share", one.p / top);
      bars.children[1].style.setProperty("--share", one.shaped / top);
      before.textContent = percent(one.p);
      after.textContent = one.shaped === 0 ? "–" : percent(one.shaped);
      element.setAttribute("aria-label",
        `${one.text.trim() || visible(one.text)}: ${percent(one.p)}, after sampling ${percent(one.shaped)}`);
    });
  }

  /** Give the focus to the one that stands in the text, or to the first. */
  focus() {
    (this.list.querySelector('[aria-selected="true"]') || this.list.firstElementChild)?.focus();
  }
}

function row() {
  return make("div", { role: "option", class: "candidate", tabindex: -1 },
    make("span", { class: "candidate-text" }),
    make("span", { class: "bars", "aria-hidden": "true" },
      make("span", { class: "bar before" }), make("span", { class: "bar after" })),
    make("span", { class: "number soft" }),
    make("span", { class: "number" }),
  );
}
