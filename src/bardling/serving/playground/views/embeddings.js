// Embeddings: words as vectors, which are near each other, and what follows from differences.

import { make } from "../dom.js";
import { button, oneOf } from "../empty.js";
import { recall, remember } from "../memory.js";
import { Plane } from "../plane.js";
import { ask } from "../server.js";
import { during, say } from "../status.js";

const NEAR = 10;
const ABOUT = {
  table: "Rows of the embedding table, laid flat along the two directions in which they differ most, " +
    "and spread a little where they crowd. What is near here may be far in the other directions.",
  reading: "What the model makes of words where it reads them, averaged over places in the run's text, " +
    "laid flat, and spread a little where they crowd.",
};

class Embeddings {
  constructor(panel, world) {
    this.world = world;
    const left = recall("embeddings", { source: "table", word: "" });
    this.source = left.source;
    this.word = left.word;
    this.plane = new Plane((word) => this.near(word));
    this.build(panel);
    world.heed(() => {
      this.of = null;
      this.source = "table";
      this.load();
    });
  }

  build(panel) {
    this.sources = make("div", { id: "embeddings-source" });
    this.about = make("p", { class: "soft hint" });
    this.wordInput = make("input", { id: "embeddings-word", autocomplete: "off", spellcheck: "false", maxlength: 100 });
    this.list = make("ol", { class: "ranked bars-list", id: "embeddings-near" });
    const three = ["a", "b", "c"].map((name) => [name,
      make("input", { id: `analogy-${name}`, autocomplete: "off", spellcheck: "false", maxlength: 100 })]);
    this.parts = Object.fromEntries(three);
    this.answers = make("ol", { class: "ranked bars-list", id: "analogy-answers" });
    this.examples = make("div", { class: "row chips" });
    const field = (name, text) => make("div", {}, make("label", { for: `analogy-${name}` }, text), this.parts[name]);
    panel.append(make("div", { class: "columns" },
      make("div", { class: "wide" },
        make("div", { class: "row spread" }, make("h2", {}, "Map of words"), this.sources),
        make("div", { class: "card plane-card" }, this.plane.svg), this.about),
      make("aside", { class: "side", "aria-label": "Neighbours and analogies" },
        this.form(() => this.near(this.wordInput.value),
          make("div", {}, make("label", { for: "embeddings-word" }, "Neighbours of"),
            make("div", { class: "row nowrap" }, this.wordInput, make("button", { type: "submit" }, "Find"))),
          this.list),
        make("hr", { class: "rule" }),
        this.form(() => this.solve(),
          make("h2", {}, "Analogies"),
          make("div", { class: "analogy" }, field("a", "As"), field("b", "is to"), field("c", "so is"),
            make("button", { type: "submit", class: "main" }, "to …")),
          this.answers, this.examples))));
  }

  form(work, ...children) {
    const submit = (event) => {
      event.preventDefault();
      work();
    };
    return make("form", { class: "block", on: { submit } }, ...children);
  }

  async load() {
    const model = this.world.model?.name;
    if (!model || this.world.current !== "embeddings" || this.of === `${model} ${this.source}`) return;
    this.of = `${model} ${this.source}`;
    const before = this.asked;
    const reads = this.source === "reading" ? "Reading text to find words in it" : "Finding words";
    const went = await during(reads, async () => {
      const found = await ask(`play/embedding?model=${encodeURIComponent(model)}&source=${this.source}`);
      if (this.of === `${model} ${this.source}`) this.show(found, this.asked !== before);
    });
    if (!went) this.of = null;
  }

  show(found, hasAsked) {
    const names = { table: "as in the table", reading: "as it reads them" };
    this.sources.replaceChildren(...(found.sources.length < 2 ? [] : [
      oneOf("embeddings-source", "Vectors", found.sources.map((one) => [one, names[one]]), this.source, (source) => {
        this.source = source;
        remember("embeddings", { source });
        this.load();
      })]));
    this.about.textContent = ABOUT[this.source];
    this.plane.show(found.words);
    this.setExamples(found.examples);
    const words = found.words.map((one) => one.word);
    const word = [this.word, "fox", "king"].find((one) => words.includes(one)) || words[0];
    if (word && !hasAsked) this.near(word, false); // else a word was asked for meanwhile
    this.answers.replaceChildren();
  }

  setExamples(examples) {
    this.examples.hidden = !examples.length;
    this.examples.replaceChildren(...examples.slice(0, 4).map(({ a, b, c }) =>
      button(`${a} : ${b} = ${c} : ?`, "chip", () => {
        this.parts.a.value = a;
        this.parts.b.value = b;
        this.parts.c.value = c;
        this.solve();
      })));
    if (examples.length && !this.parts.a.value) {
      const { a, b, c } = examples[0];
      Object.entries({ a, b, c }).forEach(([name, word]) => { this.parts[name].value = word; });
    }
  }

  async near(word, aloud = true) {
    const asked = word.trim();
    if (!asked) return;
    this.asked = asked;
    await during(`Looking around ${asked}`, async () => {
      const { neighbours } = await ask("play/neighbours", { model: this.world.model.name, word: asked,
        source: this.source, count: NEAR });
      if (this.asked !== asked) return; // another word was asked for meanwhile
      this.word = asked;
      if (aloud || document.activeElement !== this.wordInput) this.wordInput.value = asked;
      remember("embeddings", { word: asked });
      this.list.replaceChildren(...neighbours.map((one) => this.item(one)));
      this.plane.mark(asked, neighbours.map((one) => one.word));
      if (aloud) say(`Nearest to ${asked}: ${neighbours.slice(0, 3).map((one) => one.word).join(", ")}`);
    }, aloud ? null : "Ready");
  }

  item({ word, cosine }) {
    const bar = make("span", { class: "bar", "aria-hidden": "true" });
    bar.style.setProperty("--share", Math.max(0, cosine).toFixed(3));
    return make("li", {}, make("button", { type: "button", class: "plain word",
      on: { click: () => this.near(word) } }, word), bar, make("span", { class: "number soft" }, cosine.toFixed(2)));
  }

  async solve() {
    const [a, b, c] = ["a", "b", "c"].map((name) => this.parts[name].value.trim());
    if (!a || !b || !c) {
      say("An analogy has three words");
      return;
    }
    await during("Solving the analogy", async () => {
      const { answers } = await ask("play/analogy", { model: this.world.model.name, a, b, c, source: this.source });
      this.answers.replaceChildren(...answers.map((one) => this.item(one)));
      say(`As ${a} is to ${b}, so is ${c} to ${answers[0]?.word ?? "nothing here"}`);
    }, null);
  }
}

/** Set up the view. */
export function open(panel, world) {
  const view = new Embeddings(panel, world);
  return () => view.load();
}
