// Chat: a conversation with a model that has learned to answer.

import { make } from "../dom.js";
import { button, empty } from "../empty.js";
import { recall, remember } from "../memory.js";
import { sampling, sliders } from "../sampling.js";
import { stream } from "../server.js";
import { alarm, say, show } from "../status.js";

class Chat {
  constructor(panel, world) {
    this.world = world;
    const left = recall("chat", { said: [], system: "" });
    this.said = left.said;
    this.stopper = null;
    this.build(panel, left.system);
    world.heed(() => this.check());
    this.check();
  }

  build(panel, system) {
    this.talk = make("div", { class: "talk", id: "chat-talk", role: "log", "aria-label": "Conversation", tabindex: 0 });
    this.input = make("textarea", { id: "chat-input", rows: 2, maxlength: 20000, placeholder: "Ask something",
      "aria-describedby": "chat-keys", on: { keydown: (event) => this.key(event) } });
    this.send = make("button", { type: "submit", class: "main" }, "Send");
    this.stop = button("Stop", "main", () => this.stopper?.abort());
    this.again = button("Again", "", () => this.retry());
    this.anew = button("Begin anew", "quiet", () => this.forget());
    this.system = make("textarea", { id: "chat-system", rows: 2, maxlength: 20000, placeholder: "Nothing",
      on: { input: () => this.save() } });
    this.system.value = system;
    this.body = make("div", { class: "columns" },
      make("div", { class: "wide" }, this.talk,
        make("form", { class: "stack", on: { submit: (event) => {
          event.preventDefault();
          this.ask();
        } } },
        make("div", {}, make("label", { for: "chat-input" }, "Your message"), this.input),
        make("div", { class: "row" }, this.send, this.stop, this.again, make("span", { class: "gap" }), this.anew),
        make("p", { class: "soft hint", id: "chat-keys" },
          "Enter sends, Shift and Enter begins a line, Escape stops."))),
      make("aside", { class: "side", "aria-label": "Settings" },
        make("div", {}, make("label", { for: "chat-system" }, "Told before the conversation"), this.system),
        sliders("chat", ["temperature", "top_k", "top_p", "max_tokens"])));
    this.nothing = make("div", {});
    panel.append(this.nothing, this.body);
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.world.current === "chat") this.stopper?.abort();
    });
  }

  check() {
    const { model, models } = this.world;
    this.body.hidden = !model?.chat;
    this.nothing.hidden = Boolean(model?.chat);
    if (!model?.chat) this.nothing.replaceChildren(this.refusal(model, models.find((one) => one.chat)));
    this.render();
  }

  refusal(model, other) {
    if (other) {
      return empty(`${model.name} has not learned to answer`, `${other.name} has.`, null,
        button(`Talk with ${other.name}`, "main", () => {
          this.world.choose(other.name);
          this.input.focus();
        }));
    }
    return empty(model ? `${model.name} has not learned to answer` : "No model is served",
      "A model answers once it has learned from conversations, one in a line of a file.",
      `bardling finetune ${model?.run ?? "demo"} questions.jsonl`);
  }

  key(event) {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    this.ask();
  }

  save() {
    remember("chat", { said: this.said, system: this.system.value });
  }

  forget() {
    this.stopper?.abort();
    this.said = [];
    this.save();
    this.render();
    this.input.focus();
    say("A new conversation");
  }

  async ask() {
    const text = this.input.value.trim();
    if (!text || this.stopper) return;
    this.input.value = "";
    if (this.said.at(-1)?.role === "user") this.said.pop(); // it had no answer
    this.said.push({ role: "user", content: text });
    await this.answer();
  }

  async retry() {
    if (this.stopper || !this.said.length) return;
    if (this.said.at(-1).role === "assistant") this.said.pop();
    this.tries = (this.tries || 0) + 1;
    await this.answer();
  }

  async answer() {
    const { model } = this.world;
    const { temperature, top_k, top_p, max_tokens, seed } = sampling();
    const said = this.said;
    const told = this.system.value.trim() ? [{ role: "system", content: this.system.value.trim() }] : [];
    const turn = { role: "assistant", content: "", by: model.name };
    const messages = [...told, ...said.map(({ role, content }) => ({ role, content }))];
    said.push(turn);
    this.stopper = new AbortController();
    this.render();
    say("Answering", "busy");
    const warnings = [];
    try {
      const body = { model: model.name, messages, temperature, top_k, top_p, max_tokens,
        seed: (seed + said.length + (this.tries || 0)) % 2 ** 31 };
      for await (const event of stream("v1/chat/completions", body, this.stopper.signal)) {
        warnings.push(...(event.warnings || []));
        turn.content += event.choices?.[0]?.delta?.content ?? "";
        if (this.said === said) this.grow(turn);
        show("Answering");
      }
      say(["Answered", ...new Set(warnings)].join("; "));
    } catch (error) {
      if (error.name === "AbortError") say("Stopped");
      else alarm(error);
    }
    this.stopper = null;
    if (!turn.content) said.pop();
    this.save();
    this.render();
  }

  /** Show what a turn has come to; its element is another one after the view was drawn anew. */
  grow(turn) {
    this.talk.lastElementChild.querySelector(".words").textContent = turn.content;
    this.talk.scrollTop = this.talk.scrollHeight;
  }

  render() {
    const busy = this.stopper !== null;
    const held = [this.send, this.stop, this.again].includes(document.activeElement);
    this.talk.replaceChildren(...(this.said.length ? this.said.map((one) =>
      make("div", { class: `turn ${one.role}` },
        make("p", { class: "who soft" }, one.role === "user" ? "You" : one.by || "Model"),
        make("div", { class: "words" }, one.content)))
      : [make("p", { class: "soft talk-empty" }, "Nothing has been said yet.")]));
    this.talk.scrollTop = this.talk.scrollHeight;
    this.send.hidden = busy;
    this.stop.hidden = !busy;
    this.again.hidden = busy || !this.said.length;
    this.anew.disabled = !this.said.length;
    if (held) (busy ? this.stop : this.input).focus({ preventScroll: true });
  }
}

/** Set up the view. */
export function open(panel, world) {
  const view = new Chat(panel, world);
  return () => view.check();
}
