// The map of words: a point for each, and as many names as have room.

import { draw } from "./dom.js";
import { reach, rove } from "./roving.js";

const EDGE = 40;
const LETTER = 6.6;
const LINE = 15;

/** The map; `picked(word)` hears of the word that is chosen. */
export class Plane {
  constructor(picked) {
    this.points = draw("g", {});
    this.lines = draw("g", { class: "ties", "aria-hidden": "true" });
    this.svg = draw("svg", { class: "plane", id: "plane", role: "group",
      "aria-label": "Map of words: arrow keys move, Enter chooses" }, this.lines, this.points);
    this.words = [];
    this.marked = [null, []];
    new ResizeObserver(() => this.fit()).observe(this.svg);
    const take = (point) => picked(this.words[Number(point.dataset.place)].word);
    rove(this.svg, ".point", { keys: "both", picked: take });
    this.svg.addEventListener("click", (event) => {
      const point = event.target.closest(".point");
      if (point) take(point);
    });
  }

  /** Show words: { word, x, y, kind }. */
  show(words) {
    this.across = spread(words.map((one) => one.x));
    this.up = spread(words.map((one) => one.y));
    this.words = words.map((one) => ({ ...one }));
    this.width = 0;
    this.marked = [null, []];
    this.fit();
  }

  /** Put the words where they belong in the room that there is. */
  fit() {
    const width = this.svg.clientWidth;
    if (!width || width === this.width || !this.words.length) return;
    this.width = width;
    const height = Math.round(width < 500 ? width * 1.25 : width * 0.72);
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    this.svg.setAttribute("height", height);
    this.words.forEach((one, place) => {
      one.left = EDGE + this.across[place] * (width - 2 * EDGE);
      one.top = height - EDGE / 2 - this.up[place] * (height - 1.25 * EDGE);
    });
    this.mark(...this.marked);
  }

  /** Draw the map anew, with a word and those near it told apart. */
  mark(word, near) {
    this.marked = [word, near];
    if (!this.width) return;
    const chosen = new Set([word, ...near]);
    const rankOf = (place) => rank(this.words[place], word, chosen);
    const first = [...this.words.keys()].sort((a, b) => rankOf(a) - rankOf(b));
    const named = labelled(first.map((place) => this.words[place]), this.width);
    const here = this.words.find((one) => one.word === word);
    this.lines.replaceChildren(...(here ? this.words.filter((one) => near.includes(one.word)) : []).map((one) =>
      draw("line", { x1: here.left, y1: here.top, x2: one.left, y2: one.top })));
    const focused = this.svg.contains(document.activeElement) ? document.activeElement.dataset.place : null;
    this.points.replaceChildren(...this.words.map((one, place) => {
      const state = one.word === word ? " chosen" : chosen.has(one.word) ? " near" : "";
      const shown = named.has(one);
      const classes = `point${state}${shown ? "" : " nameless"}${one.kind ? " known" : ""}`;
      return draw("g", { class: classes, role: "button", tabindex: -1,
        "aria-label": one.kind ? `${one.word}, ${one.kind}` : one.word, data: { place },
        transform: `translate(${one.left.toFixed(1)} ${one.top.toFixed(1)})` },
        draw("circle", { class: "reach", r: 11 }), draw("circle", { class: "dot", r: state ? 4 : 2.5 }),
        draw("text", { y: -7, "text-anchor": "middle" }, one.word));
    }));
    const back = focused ?? String(Math.max(0, this.words.indexOf(here)));
    const target = this.points.children[Number(back)];
    reach(this.svg, ".point", target);
    if (focused !== null) target?.focus();
  }
}

function rank(one, word, chosen) {
  if (one.word === word) return 0;
  return chosen.has(one.word) ? 1 : 2;
}

/** Return places from 0 to 1: half as the values lie, half as evenly as their order allows. */
function spread(values) {
  const low = Math.min(...values);
  const size = Math.max(...values) - low || 1;
  const order = [...values.keys()].sort((a, b) => values[a] - values[b]);
  const ranks = new Map(order.map((place, rank) => [place, rank / Math.max(1, values.length - 1)]));
  return values.map((value, place) => ((value - low) / size + ranks.get(place)) / 2);
}

/** Return those whose names can stand without touching one before them. */
function labelled(words, width) {
  const boxes = [];
  const named = new Set();
  for (const one of words) {
    const half = (one.word.length * LETTER) / 2 + 4;
    const box = [one.left - half, one.top - 7 - LINE, one.left + half, one.top - 4];
    const hits = boxes.some((other) =>
      box[0] < other[2] && box[2] > other[0] && box[1] < other[3] && box[3] > other[1]);
    if (hits || box[0] < 0 || box[2] > width) continue;
    boxes.push(box);
    named.add(one);
  }
  return named;
}
