// Write: a prompt, text as it comes, the next token's distribution, and branches from any token.

import { Alternatives } from "../alternatives.js";
import { Candidates } from "../candidates.js";
import { calmly, make, many, percent } from "../dom.js";
import { address, recall, remember } from "../memory.js";
import { reach, rove } from "../roving.js";
import { beginning, heedSampling, sampling, sliders } from "../sampling.js";
import { ask } from "../server.js";
import { alarm, say, show } from "../status.js";
import { legend, spark, tokenElement, verdict } from "../story.js";
import { ending, pace, write } from "../writing.js";

const NEXT = 14;
const TOKEN = ".token[role=button]";

class Write {
  constructor(panel, world) {
    this.world = world;
    const left = recall("write", { prompt: "", head: [], tokens: [], model: null });
    const given = address().words.get("prompt");
    this.head = given === null ? left.head : [];
    this.tokens = given === null ? left.tokens : [];
    this.writtenBy = left.model;
    this.past = [];
    this.future = [];
    this.stopper = null;
    this.build(panel, given ?? left.prompt);
    world.heed(() => this.changeModel());
    heedSampling(() => this.look());
    this.changeModel();
    this.render();
  }

  build(panel, prompt) {
    this.prompt = make("textarea", { id: "write-prompt", rows: 3, spellcheck: "false",
      placeholder: "The beginning of a text; empty for the beginning of a document",
      "aria-describedby": "write-keys", maxlength: 100000,
      on: { input: () => this.edit(), keydown: (event) => this.promptKey(event) } });
    this.prompt.value = prompt;
    this.begin = button("Write", "main", () => this.start(true));
    this.onward = button("Go on", "", () => this.start(false));
    this.stop = button("Stop", "main", () => this.stopper?.abort());
    this.undo = button("Undo", "quiet", () => this.turn(this.past, this.future));
    this.redo = button("Redo", "quiet", () => this.turn(this.future, this.past));
    this.clear = button("Clear", "quiet", () => this.wipe());
    this.story = make("div", { class: "story", id: "write-story", role: "group",
      "aria-label": "The text, token by token: arrow keys move, Enter opens the alternatives" });
    this.note = make("p", { class: "soft", id: "write-verdict" });
    this.line = make("div", { class: "spark-place" });
    this.page = make("div", { class: "card page" }, this.story,
      make("div", { class: "page-foot" }, legend(), this.line, this.note));
    this.next = new Candidates("write-next", "Candidates for the next token", (one) => this.take(one));
    this.nextNote = make("p", { class: "soft", id: "write-next-note" });
    panel.append(
      make("div", { class: "columns" },
        make("div", { class: "wide" },
          make("div", {}, make("label", { for: "write-prompt" }, "Prompt"), this.prompt),
          make("div", { class: "row" }, this.begin, this.stop, this.onward,
            make("span", { class: "gap" }), this.undo, this.redo, this.clear),
          make("div", { class: "row spread" }, make("p", { class: "soft hint", id: "write-keys" },
            "Ctrl and Enter writes, Escape stops."), beginning("write", this.world)),
          this.page),
        make("aside", { class: "side", "aria-label": "Next token" },
          make("h2", {}, "Next token"), sliders("write"), this.nextNote,
          make("div", { class: "candidate-key soft", "aria-hidden": "true" },
            make("span", {}, "token"), make("span", {}, "the model"), make("span", {}, "drawn")),
          this.next.list)));
    this.alternatives = new Alternatives(this.page, (place, one) => this.branch(place, one));
    rove(this.story, TOKEN, { keys: "both", picked: (element) => this.openToken(element) });
    this.story.addEventListener("click", (event) => {
      const element = event.target.closest(TOKEN);
      if (element) this.openToken(element);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.world.current === "write") this.stopper?.abort();
    });
    this.look = calmly(() => this.lookNext(), 60);
    this.edit = calmly(() => {
      remember("write", { prompt: this.prompt.value });
      if (!this.tokens.length) this.head = [];
      this.lookNext();
    }, 150);
  }

  promptKey(event) {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      this.start(true);
    }
  }

  changeModel() {
    const name = this.world.model?.name;
    if (this.writtenBy && this.writtenBy !== name) {
      if (this.stopper) say("Stopped");
      this.stopper?.abort();
      this.stopper = null;
      if (this.tokens.length) this.keep();
      this.tokens = [];
      this.head = [];
    }
    this.writtenBy = name;
    this.render();
    this.lookNext();
  }

  /** Remember the text as it is, so that it can be brought back. */
  keep() {
    this.past.push({ head: this.head, tokens: [...this.tokens], prompt: this.prompt.value });
    this.future = [];
  }

  turn(from, to) {
    const state = from.pop();
    if (!state || this.stopper) return;
    to.push({ head: this.head, tokens: this.tokens, prompt: this.prompt.value });
    ({ head: this.head, tokens: this.tokens } = state);
    this.prompt.value = state.prompt;
    this.render();
    this.lookNext();
    say(from === this.past ? "The text is as it was before" : "The text is as it was after");
  }

  wipe() {
    if (this.tokens.length) this.keep();
    this.tokens = [];
    this.head = [];
    this.render();
    this.lookNext();
    this.prompt.focus();
  }

  ids() {
    return [...this.head, ...this.tokens].map((token) => token.id);
  }

  /** Ask what comes next, for the text as it stands, or for the prompt where there is none. */
  async lookNext() {
    if (!this.world.model || this.stopper) return;
    const { temperature, top_k, top_p } = sampling();
    const prompt = { prompt: this.prompt.value, begins: sampling().begins };
    const text = this.tokens.length ? { ids: this.ids() } : prompt;
    this.asking?.abort();
    this.asking = new AbortController();
    try {
      const found = await ask("play/next", { model: this.world.model.name, ...text, temperature, top_k,
        top_p, count: NEXT }, this.asking.signal);
      if (!this.tokens.length) this.head = found.tokens;
      this.next.show(found.candidates);
      const told = `${found.entropy.toFixed(2)} bits of doubt, ` +
        `${found.shaped_entropy.toFixed(2)} after sampling among ${many(found.kept, "token")}`;
      this.nextNote.textContent = `${[told, ...found.warnings].join("; ")}.`;
    } catch (error) {
      if (error.name !== "AbortError") alarm(error);
    }
  }

  /** Learn what the model sees of the prompt, and show it. */
  async readPrompt(signal) {
    const found = await ask("play/next", { model: this.world.model.name, prompt: this.prompt.value,
      begins: sampling().begins, count: 1 }, signal);
    this.head = found.tokens;
    this.render();
  }

  /** Write from the prompt anew, or go on from the text. */
  async start(anew) {
    if (this.stopper || !this.world.model) return;
    if (anew) {
      if (this.tokens.length) this.keep();
      this.tokens = [];
    }
    const { temperature, top_k, top_p, max_tokens, seed } = sampling();
    const settings = { temperature, top_k, top_p, max_tokens, seed: (seed + this.tokens.length) % 2 ** 31 };
    const stopper = new AbortController();
    const isMine = () => this.stopper === stopper;
    this.stopper = stopper;
    this.asking?.abort();
    this.alternatives.close(false);
    this.setButtons();
    say("Writing", "busy");
    try {
      if (anew) await this.readPrompt(stopper.signal);
      const ended = await write({ model: this.world.model.name, ids: this.ids(), settings,
        signal: stopper.signal, onTokens: (tokens, far) => isMine() && this.add(tokens, far) });
      if (isMine()) say(ending(ended));
    } catch (error) {
      if (isMine() && error.name === "AbortError") say("Stopped");
      else if (isMine()) alarm(error);
    }
    if (!isMine()) return;
    this.stopper = null;
    this.finish();
  }

  add(tokens, far) {
    for (const token of tokens) {
      this.story.append(tokenElement(token, this.tokens.length));
      this.tokens.push(token);
    }
    show(`Writing ${pace(far)}`.trim());
  }

  finish() {
    this.save();
    this.setButtons();
    this.tell();
    const reached = this.story.querySelector(`${TOKEN}[tabindex="0"]`);
    if (!reached) reach(this.story, TOKEN, this.story.querySelector(TOKEN));
    this.lookNext();
  }

  /** Take a candidate as the next token, as if it had been drawn. */
  take(candidate) {
    if (this.stopper) return;
    this.keep();
    this.add([taken(candidate)], { tokens: 0, seconds: 0 });
    say(`Took ${candidate.text.trim() || "a space"}, ${percent(candidate.p)}`);
    this.finish();
  }

  /** Put another token in a place, forget what followed, and write on from there. */
  branch(place, candidate) {
    if (this.stopper) return;
    this.keep();
    this.tokens = [...this.tokens.slice(0, place), taken(candidate)];
    this.render();
    this.start(false);
  }

  openToken(element) {
    const place = Number(element.dataset.place);
    if (this.stopper || !this.world.model) return;
    const before = [...this.head, ...this.tokens.slice(0, place)].map((token) => token.id);
    this.alternatives.open(element, place, this.tokens[place], before, this.world.model.name);
  }

  save() {
    remember("write", { prompt: this.prompt.value, head: this.head, tokens: this.tokens,
      model: this.world.model?.name });
  }

  render() {
    this.alternatives?.close(false);
    const shown = this.tokens.length || this.stopper ? this.head : [];
    this.story.replaceChildren(
      ...shown.map((token, place) => make("span", { class: "given" }, token.special ? "" : token.text)),
      ...this.tokens.map((token, place) => tokenElement(token, place)));
    reach(this.story, TOKEN, this.story.querySelector(TOKEN));
    this.save();
    this.setButtons();
    this.tell();
  }

  tell() {
    this.note.textContent = this.tokens.length
      ? `${many(this.tokens.length, "token")}, ${verdict(this.tokens)}`
      : "Nothing is written yet.";
    this.line.replaceChildren(...(this.tokens.length > 2 ? [spark(this.tokens)] : []));
  }

  setButtons() {
    const busy = this.stopper !== null;
    const held = [this.begin, this.onward, this.stop].includes(document.activeElement);
    this.stop.hidden = !busy;
    this.begin.hidden = busy;
    this.onward.hidden = busy || !this.tokens.length;
    if (held && document.activeElement === document.body) (busy ? this.stop : this.begin).focus();
    this.undo.disabled = busy || !this.past.length;
    this.redo.disabled = busy || !this.future.length;
    this.clear.disabled = busy || !this.tokens.length;
  }
}

function taken(candidate) {
  return { id: candidate.id, text: candidate.text, special: candidate.special, taken: true,
    logprob: Math.log(Math.max(candidate.p, 1e-30)) };
}

function button(text, kind, work) {
  return make("button", { type: "button", class: kind, on: { click: work } }, text);
}

/** Set up the view. */
export function open(panel, world) {
  const view = new Write(panel, world);
  return () => view.lookNext();
}
