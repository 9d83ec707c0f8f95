// Compare: one prompt, written on by several models side by side, each token on its surprise.

import { count, make, many } from "../dom.js";
import { button, empty } from "../empty.js";
import { recall, remember } from "../memory.js";
import { beginning, sampling, sliders } from "../sampling.js";
import { alarm, say, show } from "../status.js";
import { legend, tokenElement, verdict } from "../story.js";
import { write } from "../writing.js";
import { ask } from "../server.js";

class Compare {
  constructor(panel, world) {
    this.world = world;
    const left = recall("compare", { prompt: recall("write", { prompt: "" }).prompt, models: null });
    this.chosen = new Set(left.models || world.models.slice(0, 4).map((model) => model.name));
    this.stopper = null;
    this.build(panel, left.prompt);
  }

  build(panel, prompt) {
    this.prompt = make("textarea", { id: "compare-prompt", rows: 2, spellcheck: "false", maxlength: 100000,
      placeholder: "The beginning that all of them go on from",
      on: { input: () => remember("compare", { prompt: this.prompt.value }),
        keydown: (event) => {
          if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
            event.preventDefault();
            this.start();
          }
        } } });
    this.prompt.value = prompt;
    this.begin = button("Write side by side", "main", () => this.start());
    this.stop = button("Stop", "main", () => this.stopper?.abort(), { hidden: true });
    const boxes = this.world.models.map((model) => {
      const box = make("input", { type: "checkbox", checked: this.chosen.has(model.name),
        on: { change: () => this.toggle(model.name, box.checked) } });
      return make("label", { class: "check" }, box, model.name,
        make("span", { class: "soft" }, ` step ${count(model.step)}`));
    });
    this.sides = make("div", { class: "sides", id: "compare-sides" });
    panel.append(make("div", { class: "columns" },
      make("div", { class: "wide" },
        make("div", {}, make("label", { for: "compare-prompt" }, "Prompt"), this.prompt),
        make("fieldset", { class: "checks" }, make("legend", { class: "label" }, "Models"), boxes),
        make("div", { class: "row" }, this.begin, this.stop,
          make("span", { class: "soft hint" }, "Ctrl and Enter writes."),
          make("span", { class: "gap" }), beginning("compare", this.world))),
      make("aside", { class: "side", "aria-label": "Sampling" },
        sliders("compare", ["temperature", "top_k", "top_p", "max_tokens"]))),
    ...(this.world.models.length > 1 ? [] : [make("p", { class: "soft note" },
      "One model is served. To watch it learn to write, serve several of its checkpoints, as run@step.")]),
    legend(), this.sides);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.world.current === "compare") this.stopper?.abort();
    });
    this.setSides();
  }

  toggle(name, on) {
    if (on) this.chosen.add(name);
    else this.chosen.delete(name);
    remember("compare", { models: [...this.chosen] });
    if (!this.stopper) this.setSides();
  }

  get models() {
    return this.world.models.filter((model) => this.chosen.has(model.name));
  }

  setSides() {
    this.begin.disabled = !this.models.length;
    this.columns = this.models.map((model) => {
      const story = make("div", { class: "story", "aria-label": `Text by ${model.name}`, role: "group" });
      const note = make("p", { class: "soft hint" }, "Nothing is written yet.");
      return { model, story, note, tokens: [],
        element: make("section", { class: "card side-text" }, make("div", {}, make("h2", {}, model.name),
          make("p", { class: "soft hint" }, `${model.corpus}, step ${count(model.step)}`)), story, note) };
    });
    this.sides.replaceChildren(...(this.columns.length ? this.columns.map((one) => one.element)
      : [empty("No model is chosen", "Choose those that are to go on from the prompt.")]));
  }

  async start() {
    if (this.stopper || !this.models.length) return;
    this.setSides();
    this.stopper = new AbortController();
    this.setButtons();
    say(`Writing by ${many(this.columns.length, "model")}`, "busy");
    const { signal } = this.stopper;
    const ends = await Promise.all(this.columns.map((one) => this.writeOne(one, signal)));
    this.stopper = null;
    this.setButtons();
    const written = ends.reduce((sum, one) => sum + one, 0);
    const how = signal.aborted ? "Stopped" : "Done";
    if (ends.every((one) => one >= 0)) say(`${how}: ${many(written, "token")} by ${many(ends.length, "model")}`);
  }

  /** Let one of them write; returns how many tokens it wrote, -1 where that failed. */
  async writeOne(one, signal) {
    const { temperature, top_k, top_p, max_tokens, seed } = sampling();
    one.note.textContent = "Reading the prompt";
    try {
      const { tokens, warnings } = await ask("play/next", { model: one.model.name, prompt: this.prompt.value,
        begins: sampling().begins, count: 1 }, signal);
      one.story.replaceChildren(...tokens.map((token) => make("span", { class: "given" }, token.special ? "" : token.text)));
      const ended = await write({ model: one.model.name, ids: tokens.map((token) => token.id),
        settings: { temperature, top_k, top_p, max_tokens, seed }, signal,
        onTokens: (found) => {
          for (const token of found) one.story.append(tokenElement(token, one.tokens.length, { button: false }));
          one.tokens.push(...found);
          one.note.textContent = many(one.tokens.length, "token");
          show(`Writing by ${many(this.columns.length, "model")}`);
        } });
      const worth = one.tokens.length ? [verdict(one.tokens)] : [];
      one.note.textContent = [many(one.tokens.length, "token"), ...worth,
        ...new Set([...warnings, ...ended.warnings])].join("; ");
      return one.tokens.length;
    } catch (error) {
      if (error.name === "AbortError") {
        one.note.textContent = `Stopped after ${many(one.tokens.length, "token")}`;
        return one.tokens.length;
      }
      one.note.textContent = error.message;
      alarm(error);
      return -1;
    }
  }

  setButtons() {
    const held = [this.begin, this.stop].includes(document.activeElement);
    this.stop.hidden = !this.stopper;
    this.begin.hidden = Boolean(this.stopper);
    if (held) (this.stopper ? this.stop : this.begin).focus({ preventScroll: true });
  }
}

/** Set up the view. */
export function open(panel, world) {
  if (!world.models.length) {
    panel.append(empty("No model is served", "Serve one run or several.", "bardling serve runs/demo"));
    return () => {};
  }
  new Compare(panel, world);
  return () => {};
}
