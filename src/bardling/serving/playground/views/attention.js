// Attention: what each token of a text looks at, by layer and head.

import { calmly, make, many, percent, visible } from "../dom.js";
import { button, oneOf } from "../empty.js";
import { drawHead, habit, weightsOf } from "../heads.js";
import { recall, remember } from "../memory.js";
import { reach, rove } from "../roving.js";
import { sampling } from "../sampling.js";
import { ask } from "../server.js";
import { during } from "../status.js";
import { faced } from "../story.js";

const TOKEN = ".token";
const TOLD = 6;

class Attention {
  constructor(panel, world) {
    this.world = world;
    this.found = null;
    const left = recall("attention", { layer: 0, head: 0, way: "at", text: null });
    Object.assign(this, { layer: left.layer, head: left.head, way: left.way, own: left.text });
    this.build(panel);
    world.heed(() => this.look());
    document.addEventListener("themechange", () => this.paint());
  }

  build(panel) {
    this.input = make("textarea", { id: "attention-text", rows: 3, spellcheck: "false", maxlength: 100000,
      placeholder: "A sentence or two", "aria-describedby": "attention-hint",
      on: { input: () => this.type() } });
    this.lookSoon = calmly(() => this.look(), 250);
    this.again = button("Use the text from Write", "quiet", () => this.forget());
    this.hint = make("p", { class: "soft hint", id: "attention-hint" });
    this.story = make("div", { class: "story looks", role: "group", id: "attention-story",
      "aria-label": "Tokens: arrow keys move, Enter holds one" });
    this.told = make("div", { class: "told", id: "attention-told", role: "status" });
    this.ways = oneOf("attention-way", "Direction", [["at", "looks at"], ["by", "is seen by"]], this.way,
      (way) => this.choose({ way }));
    this.heads = make("div", { class: "heads", role: "group", id: "attention-heads",
      "aria-label": "Layers and heads: arrow keys move, Enter chooses" });
    this.matrix = make("canvas", { class: "matrix", role: "img", id: "attention-matrix",
      on: { pointermove: (event) => this.pointAt(event), pointerleave: () => this.mark(this.held) } });
    this.title = make("h2", { id: "attention-title" });
    panel.append(make("div", { class: "columns" },
      make("div", { class: "wide" },
        make("div", {}, make("div", { class: "row spread label-row" },
          make("label", { for: "attention-text" }, "Text"), this.again), this.input),
        this.hint,
        make("div", { class: "card page" },
          make("div", { class: "row spread" }, make("p", { class: "soft" }, "A token"), this.ways),
          this.story, this.told)),
      make("aside", { class: "side", "aria-label": "Layers and heads" },
        make("div", { class: "block" }, make("h2", {}, "Layers and heads"), this.heads),
        make("div", { class: "block" }, this.title, this.matrix,
          make("p", { class: "soft hint" }, "Each row is a token, each column what it may look at.")))));
    rove(this.story, TOKEN, { keys: "both", moved: (one) => this.mark(Number(one.dataset.place)),
      picked: (one) => this.hold(one) });
    this.story.addEventListener("pointerover", (event) => {
      const token = event.target.closest(TOKEN);
      if (token) this.mark(Number(token.dataset.place));
    });
    this.story.addEventListener("pointerleave", () => this.mark(this.held));
    this.story.addEventListener("click", (event) => {
      const token = event.target.closest(TOKEN);
      if (token) this.hold(token);
    });
    rove(this.heads, "button", { keys: "both" });
  }

  /** What is looked at: what was typed here, else the text in Write, else a line to begin with. */
  text() {
    if (this.own !== null) return { prompt: this.own, begins: sampling().begins };
    const { head, tokens, prompt, model } = recall("write", { head: [], tokens: [], prompt: "" });
    const ids = [...head, ...tokens].map((token) => token.id);
    if (tokens.length && model === this.world.model?.name) return { ids };
    return { prompt: prompt || "When geese could read there was a king. The king", begins: sampling().begins };
  }

  type() {
    this.own = this.input.value;
    remember("attention", { text: this.own });
    this.lookSoon();
  }

  forget() {
    this.own = null;
    remember("attention", { text: null });
    this.look();
  }

  async look() {
    if (!this.world.model || this.world.current !== "attention") return;
    this.asking?.abort();
    this.asking = new AbortController();
    const { signal } = this.asking;
    await during("Reading the text", async () => {
      this.found = await ask("play/attention", { model: this.world.model.name, ...this.text() }, signal);
      this.show();
    });
  }

  show() {
    const { tokens, layers, warnings, earlier } = this.found;
    this.layer = Math.min(this.layer, layers.length - 1);
    this.head = Math.min(this.head, layers[0].length - 1);
    if (this.own === null) this.input.value = tokens.map((one) => (one.special ? "" : one.text)).join("");
    this.again.hidden = this.own === null;
    const before = earlier ? [`${many(earlier, "token")} before these are read and not shown`] : [];
    this.hint.textContent = [...warnings, ...before].join("; ");
    this.hint.hidden = !this.hint.textContent;
    this.story.replaceChildren(...tokens.map((token, place) =>
      make("span", { class: token.special ? "token special" : "token", role: "button", tabindex: -1,
        "aria-label": visible(token.text), data: { place } }, ...faced(token.text))));
    this.held = tokens.length - 1;
    reach(this.story, TOKEN, this.story.children[this.held]);
    this.setHeads();
    this.choose({});
  }

  setHeads() {
    const { layers, tokens } = this.found;
    this.heads.replaceChildren(...layers.map((heads, layer) =>
      make("div", { class: "layer" },
        make("p", { class: "soft hint" }, `Layer ${layer + 1}`),
        make("div", { class: "layer-heads" }, heads.map((rows, head) => {
          const does = habit(rows, tokens);
          return make("button", { type: "button", class: "head", tabindex: -1, title: does,
            data: { layer, head }, "aria-label": `Layer ${layer + 1}, head ${head + 1}: ${does}`,
            on: { click: () => this.choose({ layer, head }) } },
            make("canvas", { width: 64, height: 64, "aria-hidden": "true" }));
        })))));
  }

  choose(values) {
    Object.assign(this, values);
    remember("attention", { layer: this.layer, head: this.head, way: this.way });
    for (const one of this.heads.querySelectorAll("button")) {
      const here = Number(one.dataset.layer) === this.layer && Number(one.dataset.head) === this.head;
      one.setAttribute("aria-pressed", String(here));
      if (here) reach(this.heads, "button", one);
    }
    const rows = this.found.layers[this.layer][this.head];
    this.title.replaceChildren(`Layer ${this.layer + 1}, head ${this.head + 1}`,
      make("span", { class: "soft light" }, ` · ${habit(rows, this.found.tokens)}`));
    this.paint();
    this.mark(this.held);
  }

  paint() {
    if (!this.found) return;
    for (const one of this.heads.querySelectorAll("button")) {
      drawHead(one.firstElementChild, this.found.layers[one.dataset.layer][one.dataset.head], 64);
    }
    drawHead(this.matrix, this.found.layers[this.layer][this.head], 640, this.marked);
    this.matrix.setAttribute("aria-label", `Attention of layer ${this.layer + 1}, head ${this.head + 1}, ` +
      `${this.found.tokens.length} tokens by ${this.found.tokens.length}`);
  }

  pointAt(event) {
    if (!this.found) return;
    const box = this.matrix.getBoundingClientRect();
    const size = this.found.tokens.length;
    this.mark(Math.max(0, Math.min(size - 1, Math.floor(((event.clientY - box.top) / box.height) * size))));
  }

  hold(element) {
    this.held = Number(element.dataset.place);
    reach(this.story, TOKEN, element);
    this.mark(this.held);
  }

  /** Show what one token looks at, or is seen by. */
  mark(place) {
    if (!this.found) return;
    this.marked = place;
    const rows = this.found.layers[this.layer][this.head];
    const weights = weightsOf(rows, place, this.way);
    const most = this.way === "by" ? Math.max(0.05, ...weights) : 1;
    [...this.story.children].forEach((token, one) => {
      token.style.setProperty("--weight", Math.sqrt((weights[one] || 0) / most).toFixed(3));
      token.classList.toggle("marked", one === place);
      token.setAttribute("aria-pressed", String(one === this.held));
    });
    const ranked = weights.map((weight, one) => [weight, one]).filter(([weight]) => weight >= 0.001)
      .sort((a, b) => b[0] - a[0]).slice(0, TOLD);
    const name = visible(this.found.tokens[place].text);
    this.told.replaceChildren(
      make("p", { class: "soft" }, make("b", { class: "word" }, name),
        this.way === "at" ? " looks at" : " is seen by"),
      make("ol", { class: "ranked" }, ranked.map(([weight, one]) => {
        const bar = make("span", { class: "bar", "aria-hidden": "true" });
        bar.style.setProperty("--share", weight.toFixed(3));
        return make("li", {}, make("span", { class: "word" }, visible(this.found.tokens[one].text)),
          make("span", { class: "soft" }, one === place ? "itself" : distance(one - place)),
          bar, make("span", { class: "number" }, percent(weight)));
      })));
    drawHead(this.matrix, rows, 640, place);
  }
}

function distance(steps) {
  return steps < 0 ? `${-steps} before` : `${steps} after`;
}

/** Set up the view. */
export function open(panel, world) {
  const view = new Attention(panel, world);
  return () => view.look();
}
