// What a recording is good for, in words and in a colour.

import { T, duration } from "./core.js";

const words = () => ({
  good: T("good"),
  silent: T("silent"),
  quiet: T("very quiet"),
  clipped: T("clipped"),
  noisy: T("noisy"),
  unreadable: T("cannot be read"),
});

// Fills a chip: length, level while there is sound, verdict.
export function verdict(chip, facts) {
  const parts = [];
  if (facts.seconds !== undefined) parts.push(duration(facts.seconds), `${Math.round(facts.level_dbfs)} dB`);
  parts.push(words()[facts.verdict]);
  chip.textContent = parts.join(" · ");
  chip.dataset.verdict = facts.verdict;
  if (facts.cause) chip.title = facts.cause;
}
