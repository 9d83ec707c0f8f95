// Tokenizer: one text, cut by each tokenizer that is at hand.

import { calmly, count, make, many, visible } from "../dom.js";
import { empty } from "../empty.js";
import { recall, remember } from "../memory.js";
import { rove } from "../roving.js";
import { ask } from "../server.js";
import { during, show } from "../status.js";

const BEGIN = "When geese could read there was a bouncy owlet called Felix Thimble.\n" +
  "He whispered: “A naïve café, tally-ho!”";
const COLOURS = 4;

class Tokenizer {
  constructor(panel) {
    const { text } = recall("tokenizer", { text: BEGIN });
    this.input = make("textarea", { id: "tokenizer-text", rows: 3, spellcheck: "false", maxlength: 20000,
      on: { input: calmly(() => this.cut(), 120) } });
    this.input.value = text;
    this.size = make("p", { class: "soft hint number-left", id: "tokenizer-size" });
    this.cuts = make("div", { class: "stack", id: "tokenizer-cuts" });
    panel.append(make("div", { class: "stack" },
      make("div", {}, make("label", { for: "tokenizer-text" }, "Text"), this.input), this.size), this.cuts);
  }

  async cut() {
    const text = this.input.value;
    remember("tokenizer", { text });
    this.asking?.abort();
    this.asking = new AbortController();
    await during("Cutting the text", async () => {
      const found = await ask("play/tokens", { text }, this.asking.signal);
      this.size.textContent = `${many([...text].length, "character")}, ${many(found.bytes, "byte")}`;
      this.show(found.tokenizers);
    });
  }

  show(cuts) {
    if (!cuts.length) {
      this.cuts.replaceChildren(empty("There is no tokenizer here",
        "Serve a run, or train one in the folder that is served.", "bardling train demo --name demo"));
      return;
    }
    const most = Math.max(1, ...cuts.map((one) => one.tokens.length));
    this.cuts.replaceChildren(...cuts.map((one) => card(one, most)));
  }
}

function card(one, most) {
  const figures = [[count(one.tokens.length), one.tokens.length === 1 ? "token" : "tokens"],
    [one.bytes_per_token === null ? "–" : one.bytes_per_token.toFixed(2), "bytes per token"],
    [count(one.vocab_size), "in the vocabulary"]];
  const bar = make("span", { class: "length-bar", "aria-hidden": "true" });
  bar.style.setProperty("--share", (one.tokens.length / most).toFixed(3));
  const pieces = make("div", { class: "pieces", role: "group",
    "aria-label": `Tokens of ${one.name}: arrow keys move, each is told` },
    one.tokens.map((token, place) => piece(token, place)));
  rove(pieces, ".piece", { keys: "both" });
  for (const event of ["focusin", "pointerover"]) {
    pieces.addEventListener(event, ({ target }) => {
      const here = target.closest(".piece");
      if (here) show(here.getAttribute("aria-label"), "idle");
    });
  }
  const others = one.names.slice(1);
  return make("section", { class: "card cut" },
    make("div", { class: "row spread cut-head" },
      make("div", {}, make("h2", {}, one.name, make("span", { class: "soft light" }, ` · ${one.kind}`)),
        others.length ? make("p", { class: "soft hint" }, `also of ${others.join(", ")}`) : null),
      make("dl", { class: "figures" }, figures.map(([value, name]) =>
        make("div", {}, make("dd", {}, value), make("dt", {}, name))))),
    bar, one.tokens.length ? pieces : make("p", { class: "soft" }, "Nothing to cut."),
    one.unknown ? make("p", { class: "soft hint" },
      `${many(one.unknown, "character")} it does not know ${one.unknown === 1 ? "is" : "are"} left out.`) : null);
}

function piece(token, place) {
  const told = `${visible(token.text)}: id ${token.id}, ${many(token.bytes, "byte")}`;
  const text = token.text.includes("\n") ? token.text.replaceAll("\n", "↵\n") : token.text;
  return make("span", { class: "piece", role: "img", tabindex: place ? -1 : 0, title: told, "aria-label": told,
    data: { piece: place % COLOURS } }, text);
}

/** Set up the view. */
export function open(panel) {
  const view = new Tokenizer(panel);
  return () => view.cut();
}
