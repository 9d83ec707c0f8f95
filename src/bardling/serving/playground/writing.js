// Text as it is written by /v1/completions: tokens one after the other, with ln p of each.

import { stream } from "./server.js";
import { bitsOf } from "./story.js";

/**
 * Write on from some ids, and tell `onTokens(tokens)` of those that have come.
 *
 * Returns how it ended: { reason, tokens, seconds, warnings }. Stopping by `signal` is no error.
 */
export async function write({ model, ids, settings, signal, onTokens }) {
  const body = { model, prompt: ids, logprobs: 1, ...settings };
  const began = performance.now();
  const ended = { reason: "stop", tokens: 0, seconds: 0, warnings: [] };
  try {
    for await (const event of stream("v1/completions", body, signal)) {
      ended.warnings.push(...(event.warnings || []));
      const choice = event.choices?.[0];
      if (!choice) continue;
      const tokens = tokensOf(choice.logprobs);
      ended.tokens += tokens.length;
      ended.seconds = (performance.now() - began) / 1000;
      if (tokens.length) onTokens(tokens, ended);
      if (choice.finish_reason) ended.reason = choice.finish_reason;
    }
  } catch (error) {
    if (error.name !== "AbortError") throw error;
    ended.reason = "stopped";
  }
  ended.seconds = (performance.now() - began) / 1000;
  return ended;
}

function tokensOf(found) {
  if (!found) return [];
  return found.tokens.map((text, place) => ({
    id: found.token_ids[place],
    text,
    logprob: found.token_logprobs[place],
  }));
}

/** Return tokens per second, once there is something to tell. */
export function pace({ tokens, seconds }) {
  return seconds > 0.05 && tokens > 1 ? `${Math.round(tokens / seconds)} tokens/s` : "";
}

/** Return in a sentence how writing ended. */
export function ending(ended) {
  const speed = pace(ended) ? `, ${pace(ended)}` : "";
  const word = ended.tokens === 1 ? "1 token" : `${ended.tokens} tokens`;
  const how = {
    stopped: `Stopped after ${word}${speed}`,
    stop: `The text ended after ${word}${speed}`,
    length: `Wrote ${word}${speed}`,
  };
  const told = how[ended.reason] || `Ended (${ended.reason}) after ${word}`;
  return [told, ...new Set(ended.warnings)].join("; ");
}

/** Return the surprise of a token in bits, as text. */
export function bitsText(logprob) {
  return `${bitsOf(logprob).toFixed(1)} bits`;
}
