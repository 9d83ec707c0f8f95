// Text as tokens, each on a ground that tells how surprised the model was to see it.

import { count, draw, make, percent } from "./dom.js";

/** Bits of surprise from which each of the darker grounds begins. */
export const LEVELS = [1, 2, 4, 6, 9];

/** Return the bits of surprise of a token, from ln p. */
export function bitsOf(logprob) {
  return -logprob / Math.LN2;
}

/** Return which of six grounds a surprise has. */
export function levelOf(bits) {
  return LEVELS.filter((least) => bits >= least).length;
}

/** Return a token as an element; `token` has text, and logprob if the model wrote it. */
export function tokenElement(token, place, { button = true } = {}) {
  const written = token.logprob !== undefined && token.logprob !== null;
  const classes = ["token"];
  if (token.special) classes.push("special");
  if (token.taken) classes.push("taken");
  const name = token.text.trim() || (token.text.includes("\n") ? "line end" : "space");
  return make("span", {
    class: classes.join(" "),
    role: button ? "button" : undefined,
    tabindex: button ? -1 : undefined,
    "aria-label": button ? label(name, token, written) : undefined,
    data: { place, ...(written ? { surprise: levelOf(bitsOf(token.logprob)) } : {}) },
  }, ...faced(token.special ? `\u2009${token.text}\u2009` : token.text));
}

/** Return a text with its ground under the letters alone: a space at a line's end would show it. */
export function faced(text) {
  const letters = text.trimStart();
  const face = (some) => make("span", { class: "face" }, some);
  return letters ? [text.slice(0, text.length - letters.length), face(letters)] : [face(text)];
}

function label(name, token, written) {
  if (!written) return name;
  const bits = bitsOf(token.logprob);
  return `${name}, ${percent(Math.exp(token.logprob))}, ${bits.toFixed(1)} bits`;
}

/** Return the key to the grounds. */
export function legend() {
  const steps = [0, 1, 2, 3, 4, 5].map((level) =>
    make("span", { class: "swatch", data: { surprise: level }, "aria-hidden": "true" }),
  );
  return make("p", { class: "legend" },
    make("span", {}, "expected"), make("span", { class: "swatches" }, steps),
    make("span", {}, "surprising"),
    make("span", { class: "unseen" },
      `; the grounds change at ${LEVELS.join(", ")} bits of surprise`),
  );
}

/** Return what a text was worth to its model, in a sentence, or nothing for no tokens. */
export function verdict(tokens) {
  const known = tokens.filter((token) => token.logprob !== undefined && token.logprob !== null);
  if (!known.length) return "";
  const bits = known.reduce((sum, token) => sum + bitsOf(token.logprob), 0) / known.length;
  return `${bits.toFixed(2)} bits a token, as if among ${amount(2 ** bits)} equally likely ones`;
}

function amount(n) {
  return n < 100 ? n.toFixed(1) : count(n);
}

/** Return a small line of surprise over the text, as an SVG. */
export function spark(tokens, width = 240, height = 36) {
  const known = tokens.filter((token) => token.logprob !== undefined && token.logprob !== null);
  const top = Math.max(8, ...known.map((token) => bitsOf(token.logprob)));
  const step = known.length > 1 ? width / (known.length - 1) : width;
  const points = known.map((token, place) => {
    const y = height - 1 - (bitsOf(token.logprob) / top) * (height - 2);
    return `${(place * step).toFixed(1)},${y.toFixed(1)}`;
  });
  return draw("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none",
    "aria-hidden": "true", focusable: "false" }, draw("polyline", { points: points.join(" ") }));
}
