// Follows the log of one run: asks for what is new, from the byte on where the last answer ended.

import { ask } from "./server.js";

export class Follower {
  constructor(name, colour) {
    Object.assign(this, { name, colour, records: [], samples: [], next: 0, file: "", run: null, age: 0 });
    this.hasWritten = false; // since its samples were asked for
  }

  /** Ask for what is new; returns whether there was any. */
  async follow(signal) {
    let anything = false;
    for (;;) {
      const where = new URLSearchParams({ from: this.next, file: this.file });
      const found = await ask(`play/runs/${encodeURIComponent(this.name)}/log?${where}`, undefined, signal);
      if (found.anew) Object.assign(this, { records: [], samples: [] });
      this.hasWritten ||= found.anew || found.records.some((record) => record.val_loss !== undefined);
      anything ||= found.anew || found.records.length > 0 || found.run.state !== this.run?.state;
      this.records.push(...found.records);
      Object.assign(this, { next: found.next, file: found.file, run: found.run, age: found.age });
      if (!found.more || !found.records.length) return anything;
    }
  }

  /** Ask for what the run has written at validations since the last of them that is known. */
  async followSamples(signal) {
    const { samples } = this; // those of a log that is begun anew meanwhile are others
    const known = () => samples.at(-1)?.step ?? -1;
    const path = `play/runs/${encodeURIComponent(this.name)}/samples?after=${known()}`;
    this.hasWritten = false;
    try {
      const found = (await ask(path, undefined, signal)).samples;
      samples.push(...found.filter((one) => one.step > known()));
    } catch (error) {
      this.hasWritten = true;
      throw error;
    }
  }

  get isTraining() {
    return this.run?.state === "training";
  }

  last(field) {
    for (let place = this.records.length - 1; place >= 0; place -= 1) {
      const value = this.records[place][field];
      if (value !== undefined && value !== null) return value;
    }
    return null;
  }

  /** Return the curves over steps, tokens or seconds, in nats per token or in bits per byte. */
  curves(x, unit) {
    const train = [];
    const val = [];
    let floor = null;
    for (const one of this.records) {
      const place = one[x];
      if (typeof place !== "number") continue;
      const rate = one.val_loss ? one.val_bits_per_byte / one.val_loss : null;
      if (unit === "loss") {
        if (typeof one.loss === "number") train.push([place, one.loss]);
        if (typeof one.val_loss === "number") val.push([place, one.val_loss]);
        if (typeof one.val_floor === "number") floor = one.val_floor;
      } else if (rate) {
        val.push([place, one.val_bits_per_byte]);
        if (typeof one.val_floor === "number") floor = one.val_floor * rate;
      }
    }
    return { name: this.name, colour: this.colour, train, val, floor };
  }

  /** Return the seconds that are left, as the last steps went; null where there is no telling. */
  left() {
    const { records, run } = this;
    if (records.length < 2 || !run?.total_steps) return null;
    const [before, last] = [records[Math.max(0, records.length - 12)], records[records.length - 1]];
    const pace = (last.seconds - before.seconds) / (last.step - before.step);
    return pace > 0 ? pace * (run.total_steps - last.step) : null;
  }
}
