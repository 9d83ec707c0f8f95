// The sliders of sampling: temperature, top-k, top-p, length, seed. All views share what is chosen.

import { make } from "./dom.js";
import { recall, remember } from "./memory.js";

const DEFAULTS = { temperature: 0.8, top_k: 0, top_p: 1, max_tokens: 128, seed: 0, begins: true };
const SLIDERS = [
  {
    name: "temperature", title: "Temperature", min: 0, max: 2, step: 0.05,
    told: (v) => (v === 0 ? "0" : v.toFixed(2)),
  },
  { name: "top_k", title: "Top-k", min: 0, max: 100, step: 1, told: (v) => (v === 0 ? "off" : String(v)) },
  {
    name: "top_p", title: "Top-p", min: 0.05, max: 1, step: 0.01,
    told: (v) => (v === 1 ? "off" : v.toFixed(2)),
  },
  { name: "max_tokens", title: "Most tokens", min: 8, max: 512, step: 8, told: String },
];
const listeners = new Set();
let chosen = recall("sampling", DEFAULTS);

/** Return the settings as they stand. */
export function sampling() {
  return { ...chosen };
}

/** Hear of each change. */
export function heedSampling(listener) {
  listeners.add(listener);
}

/** Return a group of sliders; `id` tells those of one view from those of others. */
export function sliders(id, names = SLIDERS.map((one) => one.name)) {
  const group = make("fieldset", { class: "sliders" }, make("legend", { class: "unseen" }, "Sampling"));
  for (const one of SLIDERS.filter((slider) => names.includes(slider.name))) {
    group.append(slider(id, one));
  }
  if (names.includes("max_tokens")) group.append(seedField(id));
  return group;
}

function slider(id, { name, title, min, max, step, told }) {
  const output = make("output", { for: `${id}-${name}` });
  const input = make("input", {
    type: "range", id: `${id}-${name}`, min, max, step,
    on: { input: () => change({ [name]: Number(input.value) }) },
  });
  const follow = () => {
    input.value = chosen[name];
    output.textContent = told(chosen[name]);
    input.setAttribute("aria-valuetext", told(chosen[name]));
  };
  heedSampling(follow);
  follow();
  return make("div", { class: "slider" },
    make("label", { for: `${id}-${name}` }, title), output, input);
}

function seedField(id) {
  const input = make("input", {
    type: "number", id: `${id}-seed`, min: 0, max: 2 ** 31, step: 1, inputmode: "numeric",
    on: {
      change: () => {
        const value = Math.round(Number(input.value));
        change({ seed: Number.isFinite(value) ? Math.min(2 ** 31, Math.max(0, value)) : 0 });
      },
    },
  });
  const follow = () => {
    input.value = chosen.seed;
  };
  heedSampling(follow);
  follow();
  return make("div", { class: "slider seed" }, make("label", { for: `${id}-seed` }, "Seed"), input);
}

/** Return a box for whether a prompt begins a document; hidden where the model knows no documents. */
export function beginning(id, world) {
  const input = make("input", { type: "checkbox", id: `${id}-begins`,
    on: { change: () => change({ begins: input.checked }) } });
  const label = make("label", { class: "check" }, input, "The prompt begins a document");
  const follow = () => {
    input.checked = chosen.begins;
    const asked = id === "compare" ? world.models : world.models.filter((model) => model === world.model);
    label.hidden = asked.every((model) => model.end_token === null);
  };
  heedSampling(follow);
  world.heed(follow);
  follow();
  return label;
}

function change(values) {
  chosen = { ...chosen, ...values };
  remember("sampling", chosen);
  for (const listener of listeners) listener(chosen);
}
