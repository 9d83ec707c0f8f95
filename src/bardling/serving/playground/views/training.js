// Training: loss curves of runs over each other, followed while they train, and what they write.

import { Chart } from "../chart.js";
import { count, make, short } from "../dom.js";
import { empty, oneOf } from "../empty.js";
import { Follower } from "../follower.js";
import { address, goTo, recall, remember } from "../memory.js";
import { ask } from "../server.js";
import { alarm, show } from "../status.js";

const QUICK = 1000;
const SLOW = 5000;
const COLOURS = 6;
const KEYS = { train: "training", val: "validation", floor: "floor: no model can do better" };
const AXES = { step: "steps", tokens: "tokens", seconds: "seconds" };

class Training {
  constructor(panel, world) {
    this.world = world;
    this.runs = [];
    this.followers = new Map();
    const left = recall("training", { runs: [], x: "step", unit: "loss", scale: "log" });
    const asked = address().words.getAll("run");
    this.wanted = asked.length ? asked : left.runs;
    Object.assign(this, { x: left.x, unit: left.unit, scale: left.scale });
    this.build(panel);
    window.addEventListener("hashchange", () => this.heedAddress());
    document.addEventListener("visibilitychange", () => this.turn());
  }

  build(panel) {
    const choose = (field) => (value) => {
      this[field] = value;
      remember("training", { [field]: value });
      this.paint();
    };
    this.chart = new Chart();
    this.list = make("div", { class: "run-list", role: "group", "aria-label": "Runs to show" });
    this.figures = make("dl", { class: "figures wrap", id: "training-figures" });
    this.nothing = make("div", {});
    this.written = make("div", { class: "block", id: "training-samples" });
    this.slider = make("input", { type: "range", id: "sample-place", min: 0, step: 1,
      on: { input: () => this.showSample() } });
    this.sampleTitle = make("label", { for: "sample-place" }, "What it wrote");
    this.sample = make("blockquote", { class: "sample", id: "sample" });
    this.written.append(this.sampleTitle, this.slider, this.sample);
    this.body = make("div", { class: "columns reversed" },
      make("div", { class: "wide" },
        make("div", { class: "row wrap-row" },
          oneOf("training-unit", "Loss in", [["loss", "Loss"], ["bpb", "Bits per byte"]], this.unit, choose("unit")),
          oneOf("training-x", "Over", [["step", "Steps"], ["tokens", "Tokens"], ["seconds", "Time"]], this.x,
            choose("x")),
          oneOf("training-scale", "Scale", [["log", "Log"], ["linear", "Linear"]], this.scale, choose("scale"))),
        make("div", { class: "card chart-card" }, this.chart.box,
          make("p", { class: "key-line soft hint" },
            ...Object.entries(KEYS).map(([kind, name]) =>
              make("span", {}, make("i", { class: `key-${kind}`, "aria-hidden": "true" }), name)))),
        this.figures, this.written),
      make("aside", { class: "side", "aria-label": "Runs" },
        make("div", { class: "block" }, make("h2", {}, "Runs"), this.list)));
    panel.append(this.nothing, this.body);
  }

  heedAddress() {
    const asked = address().view === "training" ? address().words.getAll("run") : [];
    if (!asked.length || asked.join() === [...this.followers.keys()].join()) return;
    this.followers.clear();
    this.wanted = asked;
    this.turn();
  }

  get isShown() {
    return this.world.current === "training" && !document.hidden;
  }

  /** Ask for what is new, show it, and come back; only while the view is in sight. */
  async turn() {
    clearTimeout(this.timer);
    if (!this.isShown || this.turning) return;
    this.turning = true;
    let wait = SLOW;
    try {
      await this.listRuns();
      const changed = await Promise.all([...this.followers.values()].map((one) => this.follow(one)));
      if (changed.some(Boolean) || this.dirty) this.paint();
      const training = [...this.followers.values()].filter((one) => one.isTraining);
      if (training.length) wait = QUICK;
      const far = training.map((one) => `${one.name}, step ${count(one.last("step") ?? 0)}`);
      if (far.length) show(`Following ${far.join("; ")}`);
      else show("Ready", "idle");
    } catch (error) {
      alarm(error);
    }
    this.turning = false;
    this.timer = setTimeout(() => this.turn(), wait);
  }

  async follow(one) {
    const changed = await one.follow();
    if (!one.hasWritten || one !== this.first) return changed;
    await one.followSamples();
    return true;
  }

  async listRuns() {
    this.runs = (await ask("play/runs")).runs;
    const known = new Set(this.runs.map((run) => run.name));
    for (const name of this.wanted.filter((one) => known.has(one))) this.add(name);
    const unknown = this.wanted.filter((one) => !known.has(one));
    this.wanted = [];
    if (!this.followers.size && this.runs.length) {
      const sound = this.runs.filter((run) => run.state !== "damaged");
      const best = sound.find((run) => run.state === "training") || sound[0];
      if (best) this.add(best.name);
    }
    this.setList();
    if (unknown.length) throw new Error(`there is no run called ${unknown[0]} here`);
  }

  add(name) {
    if (this.followers.has(name) || this.followers.size >= COLOURS) return;
    const used = new Set([...this.followers.values()].map((one) => one.colour));
    const colour = [...Array(COLOURS).keys()].find((one) => !used.has(one));
    this.followers.set(name, new Follower(name, colour));
    this.first = this.followers.get(name);
    this.dirty = true;
  }

  toggle(name, on) {
    if (on) {
      this.add(name);
    } else {
      this.followers.delete(name);
      if (this.first?.name === name) this.first = [...this.followers.values()].at(-1) || null;
      this.dirty = true;
    }
    const names = [...this.followers.keys()];
    remember("training", { runs: names });
    goTo("training", new URLSearchParams(names.map((one) => ["run", one])));
    if (this.first && !this.first.samples.length) this.first.followSamples().then(() => this.setSamples(), alarm);
    this.setList();
    this.paint();
    this.turn();
  }

  setList() {
    this.body.hidden = !this.runs.length;
    this.nothing.replaceChildren(...(this.runs.length ? [] : [empty("No run is here yet",
      "A run appears as soon as it begins, and its curves grow while it trains.", "bardling train demo --watch")]));
    const told = JSON.stringify([this.runs, [...this.followers.keys()]]);
    if (told === this.toldList) return;
    this.toldList = told;
    const focused = this.list.contains(document.activeElement) ? document.activeElement.id : null;
    this.list.replaceChildren(...this.runs.map((run) => this.item(run)));
    if (focused) document.getElementById(focused)?.focus();
  }

  item(run) {
    const one = this.followers.get(run.name);
    const box = make("input", { type: "checkbox", checked: Boolean(one), id: `run-${run.name}`,
      disabled: run.state === "damaged" || (!one && this.followers.size >= COLOURS),
      on: { change: () => this.toggle(run.name, box.checked) } });
    const total = run.total_steps || 0;
    const progress = make("span", { class: "progress", "aria-hidden": "true",
      hidden: !total || (!one && run.state === "ended") });
    progress.style.setProperty("--share", Math.min(1, run.step / (total || 1)).toFixed(3));
    const steps = total ? `${count(total)} steps` : "";
    const far = run.step < total ? `step ${count(run.step)} of ${count(total)}` : steps;
    return make("label", { class: "run", data: { ...(one ? { series: one.colour } : {}), state: run.state } }, box,
      make("span", { class: "run-name" }, run.name), make("span", { class: "run-state" }, run.state), progress,
      make("span", { class: "soft hint" },
        [run.corpus, run.parameters && `${short(run.parameters)} parameters`, far].filter(Boolean).join(" · ")));
  }

  paint() {
    this.dirty = false;
    const told = this.x === "seconds" ? duration : (n) => (n < 1e4 ? count(n) : short(n));
    this.chart.show([...this.followers.values()].map((one) => one.curves(this.x, this.unit)),
      { log: this.scale === "log", told, axis: this.x === "seconds" ? "" : AXES[this.x] });
    this.setFigures();
    this.setSamples();
  }

  setFigures() {
    const one = this.first;
    const loss = one?.last("loss");
    const val = one?.last("val_loss");
    const floor = one?.last("val_floor");
    const left = one?.isTraining ? one.left() : null;
    const rows = [["run", one?.name], ["loss", loss?.toFixed(3)], ["validation", val?.toFixed(3)],
      ["floor", floor?.toFixed(3)],
      ["above the floor", floor && val ? `${(100 * (val / floor - 1)).toFixed(1)} %` : null],
      ["bits per byte", one?.last("val_bits_per_byte")?.toFixed(3)],
      ["tokens per second", one?.last("tokens_per_second") ? short(one.last("tokens_per_second")) : null],
      ["left", left === null ? null : duration(left)]];
    this.figures.replaceChildren(...rows.filter(([, value]) => value).map(([name, value]) =>
      make("div", {}, make("dd", {}, value), make("dt", {}, name))));
  }

  setSamples() {
    const samples = this.first?.samples || [];
    this.written.hidden = !samples.length;
    if (!samples.length) return;
    const atEnd = this.shownOf !== this.first.name || Number(this.slider.value) >= Number(this.slider.max);
    this.shownOf = this.first.name;
    this.slider.max = samples.length - 1;
    this.slider.hidden = samples.length < 2;
    if (atEnd) this.slider.value = samples.length - 1;
    this.showSample();
  }

  showSample() {
    const one = this.first.samples[Number(this.slider.value)];
    const loss = one.val_loss ? `, validation ${one.val_loss.toFixed(3)}` : "";
    const where = `step ${count(one.step)}${loss}`;
    this.sampleTitle.replaceChildren(`What ${this.first.name} wrote `,
      make("span", { class: "soft light" }, `at ${where}`));
    this.slider.setAttribute("aria-valuetext", where);
    if (this.sample.textContent !== one.text) this.sample.textContent = one.text;
  }
}

function duration(seconds) {
  if (seconds < 90) return `${Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Set up the view. */
export function open(panel, world) {
  const view = new Training(panel, world);
  return () => view.turn();
}
