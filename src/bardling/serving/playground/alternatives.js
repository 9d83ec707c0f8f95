// What else could have stood in a token's place: a small window by the token, from which to branch.

import { Candidates } from "./candidates.js";
import { make, many, percent, visible } from "./dom.js";
import { bitsText } from "./writing.js";
import { sampling } from "./sampling.js";
import { ask } from "./server.js";
import { alarm } from "./status.js";

const SHOWN = 8;
const STATUS = 48;

/** The window; `branched(place, candidate)` hears what is to stand there instead. */
export class Alternatives {
  constructor(home, branched) {
    this.home = home;
    this.candidates = new Candidates("alternatives", "Alternatives, the likeliest first", (one) => {
      const { place } = this;
      this.close();
      branched(place, one);
    });
    this.title = make("h3", { id: "alternatives-title" });
    this.note = make("p", { class: "soft" });
    this.window = make("div", {
      class: "alternatives card", role: "dialog", "aria-labelledby": "alternatives-title", hidden: true,
      on: {
        keydown: (event) => {
          if (event.key === "Escape") {
            event.stopPropagation();
            this.close();
          }
        },
      },
    },
      make("div", { class: "row spread" }, this.title,
        make("button", { type: "button", class: "quiet", "aria-label": "Close the alternatives",
          on: { click: () => this.close() } }, "Close")),
      this.note, this.candidates.list,
    );
    home.append(this.window);
    document.addEventListener("pointerdown", (event) => {
      if (this.window.hidden || this.window.contains(event.target)) return;
      if (!event.target.closest?.(".token")) this.close(false);
    });
  }

  get isOpen() {
    return !this.window.hidden;
  }

  /** Open by a token: `before` are the ids that the model had read when it wrote `token`. */
  async open(element, place, token, before, model) {
    const { temperature, top_k, top_p } = sampling();
    let found;
    try {
      found = await ask("play/next", {
        model, ids: before, temperature, top_k, top_p, count: SHOWN,
      });
    } catch (error) {
      alarm(error);
      return;
    }
    this.element?.classList.remove("opened");
    this.element = element;
    this.place = place;
    element.classList.add("opened");
    const listed = found.candidates.findIndex((one) => one.id === token.id);
    this.title.textContent = `Instead of “${visible(token.text)}”`;
    const rank = listed < 0 ? `not among the first ${SHOWN}` : `number ${listed + 1}`;
    this.note.textContent =
      `${percent(Math.exp(token.logprob))}, ${bitsText(token.logprob)}, ${rank}; ` +
      `${many(found.kept, "token")} could be drawn. Choose one to go on from it.`;
    this.candidates.show(found.candidates, token.id);
    this.window.hidden = false;
    this.put(element);
    this.candidates.focus();
    this.window.scrollIntoView({ block: "nearest" });
  }

  /** Put the window under its token, or over it where there is no room; narrow screens have it at
   * their foot. */
  put(element) {
    const home = this.home.getBoundingClientRect();
    const box = element.getClientRects()[0] || element.getBoundingClientRect();
    const width = this.window.offsetWidth;
    const left = Math.max(0, Math.min(box.left - home.left, home.width - width));
    const height = this.window.offsetHeight;
    const highest = Math.max(0, home.top); // what is above the view stays free
    const below = box.bottom + 8 + height < innerHeight - STATUS || box.top - 8 - height < highest;
    const top = below ? box.bottom + 8 : box.top - 8 - height;
    this.window.style.setProperty("--left", `${left}px`);
    this.window.style.setProperty("--top", `${top - home.top}px`);
  }

  /** Close it, and give the focus back to the token. */
  close(back = true) {
    if (this.window.hidden) return;
    this.window.hidden = true;
    this.element?.classList.remove("opened");
    if (back) this.element?.focus();
    this.element = null;
  }
}
