// Curves of several runs over each other: of training thin, of validation with its points, floors
// dashed. A line follows the pointer, or the arrow keys, and what stands there is told.

import { draw, make } from "./dom.js";

const LEFT = 44;
const RIGHT = 14;
const TOP = 12;
const BOTTOM = 34;
const MOST_POINTS = 700;
/** Digits at which a log axis has ticks, from the span of values on. */
const DIGITS = [
  [30, [1, 2, 5]],
  [3, [1, 1.5, 2, 3, 4, 6, 8]],
  [0, [1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9]],
];

/** Return round numbers between two values: about `wanted`, or those usual on a log axis. */
export function ticks(low, high, wanted, log = false) {
  if (log) {
    const found = [];
    for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
      for (const digit of DIGITS.find(([span]) => high / low > span)[1]) {
        const value = digit * 10 ** power;
        if (value >= low * 0.999 && value <= high * 1.001) found.push(Number(value.toPrecision(3)));
      }
    }
    return found;
  }
  const raw = (high - low) / wanted || 1;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find((one) => one * size >= raw) * size;
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) {
    found.push(Number(value.toPrecision(12)));
  }
  return found;
}

/** Return points thinned to means of neighbours, where there are more than can be seen. */
export function thinned(points, most = MOST_POINTS) {
  if (points.length <= most) return points;
  const size = Math.ceil(points.length / most);
  const found = [];
  for (let start = 0; start < points.length; start += size) {
    const some = points.slice(start, start + size);
    found.push([some[some.length - 1][0], some.reduce((sum, [, y]) => sum + y, 0) / some.length]);
  }
  return found;
}

export class Chart {
  constructor() {
    this.svg = draw("svg", { class: "chart", id: "chart", tabindex: 0, role: "group",
      "aria-label": "Curves of the chosen runs: left and right arrow keys read them" });
    this.told = make("div", { class: "readout", id: "readout", role: "status" });
    this.box = make("div", { class: "chart-box" }, this.svg, this.told);
    this.series = [];
    this.place = null;
    new ResizeObserver(() => this.paint()).observe(this.box);
    this.svg.addEventListener("pointermove", (event) => this.pointAt(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.read(null));
    this.svg.addEventListener("blur", () => this.read(null));
    this.svg.addEventListener("keydown", (event) => this.key(event));
  }

  /** Show series { name, colour, train, val, floor }, whose points are [x, y]. */
  show(series, { log, told, axis }) {
    Object.assign(this, { series, log, toldX: told, axis });
    this.paint();
  }

  paint() {
    this.width = this.box.clientWidth;
    this.height = this.width < 500 ? 260 : 380;
    if (!this.width || !this.scale()) {
      this.svg.replaceChildren();
      return;
    }
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.svg.setAttribute("height", this.height);
    this.cross = draw("g", { class: "cross" });
    this.svg.replaceChildren(...this.axes(), ...this.series.flatMap((one) => this.curve(one)), this.cross);
    if (this.place !== null) this.read(this.place);
  }

  /** Set how values become places; false where there is nothing to show. */
  scale() {
    const all = this.series.flatMap(({ train, val }) => [...train, ...val]);
    if (!all.length) return false;
    const floors = this.series.map((one) => one.floor).filter((floor) => floor !== null);
    const ys = [...all.map(([, y]) => y), ...floors];
    this.right = Math.max(1e-9, ...all.map(([x]) => x));
    let [low, high] = [Math.min(...ys), Math.max(...ys)];
    if (this.log && low > 0) [low, high] = [low / 1.06, Math.max(high * 1.03, low * 1.2)];
    else [low, high] = [low - (high - low || 1) * 0.05, high + (high - low || 1) * 0.03];
    this.span = [low, high];
    const form = this.log && low > 0 ? Math.log : (y) => y;
    const size = this.height - TOP - BOTTOM;
    this.left = (x) => LEFT + (x / this.right) * (this.width - LEFT - RIGHT);
    this.top = (y) => TOP + ((form(high) - form(y)) / (form(high) - form(low))) * size;
    return true;
  }

  axes() {
    const bottom = this.height - BOTTOM;
    const across = ticks(0, this.right, this.width < 500 ? 3 : 6).map((x) => draw("g", {},
      draw("line", { class: "tick", x1: this.left(x), x2: this.left(x), y1: bottom, y2: bottom + 4 }),
      draw("text", { x: this.left(x), y: bottom + 18, "text-anchor": "middle" }, this.toldX(x))));
    const up = ticks(...this.span, 5, this.log && this.span[0] > 0).map((y) => draw("g", {},
      this.level("grid", this.top(y)),
      draw("text", { x: LEFT - 9, y: this.top(y) + 4, "text-anchor": "end" }, String(y))));
    return [...up, ...across, this.level("axis", bottom)];
  }

  /** Return a line across. */
  level(kind, y, data = {}) {
    return draw("line", { class: kind, data, x1: LEFT, x2: this.width - RIGHT, y1: y, y2: y });
  }

  path(points) {
    const place = ([x, y]) => `${this.left(x).toFixed(1)} ${this.top(y).toFixed(1)}`;
    return points.length ? `M${points.map(place).join("L")}` : "";
  }

  curve({ name, colour, train, val, floor }) {
    const data = { series: colour };
    const found = [];
    const line = (kind, points) => draw("path", { class: kind, data: { ...data, run: name }, d: this.path(points) });
    if (floor !== null) found.push(this.level("floor", this.top(floor), data));
    if (train.length) found.push(line("train", thinned(train)));
    if (val.length) {
      found.push(line("val", val));
      const shown = val.length > 60 ? [val[val.length - 1]] : val;
      found.push(...shown.map(([x, y]) =>
        draw("circle", { class: "val-point", data, r: 2.75, cx: this.left(x), cy: this.top(y) })));
    }
    return found;
  }

  pointAt(offset) {
    if (this.series.length && this.width) {
      this.read(this.inside(((offset - LEFT) / (this.width - LEFT - RIGHT)) * this.right));
    }
  }

  inside(place) {
    return Math.max(0, Math.min(this.right, place));
  }

  key(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 10, PageDown: -10 }[event.key];
    const ends = { Home: 0, End: this.right };
    if (event.key === "Escape") this.read(null);
    if (step === undefined && !(event.key in ends)) return;
    event.preventDefault();
    const from = this.place ?? (step < 0 ? this.right : 0);
    this.read(event.key in ends ? ends[event.key] : this.inside(from + (step * this.right) / 50));
  }

  /** Tell what the curves are near a place, or nothing. */
  read(place) {
    this.place = place;
    if (!this.cross) return;
    this.told.hidden = place === null;
    this.cross.replaceChildren();
    if (place === null) return;
    const left = this.left(place);
    this.cross.append(draw("line", { x1: left, x2: left, y1: TOP, y2: this.height - BOTTOM }));
    const lines = this.series.map((one) => {
      const train = nearest(one.train, place);
      const val = nearest(one.val, place);
      return make("div", {}, make("i", { class: "dot", data: { series: one.colour }, "aria-hidden": "true" }),
        make("span", {}, one.name), make("span", { class: "number" }, train ? train[1].toFixed(3) : "–"),
        make("span", { class: "number" }, val ? val[1].toFixed(3) : "–"));
    });
    const head = make("div", { class: "soft" }, make("i", {}),
      make("span", {}, `${this.toldX(place)} ${this.axis}`),
      make("span", { class: "number" }, "train"), make("span", { class: "number" }, "val"));
    this.told.replaceChildren(head, ...lines);
  }
}

function nearest(points, place) {
  let best = null;
  for (const point of points) {
    if (best === null || Math.abs(point[0] - place) < Math.abs(best[0] - place)) best = point;
  }
  return best;
}

