// A pitch curve made audible by itself, as a hum, to be compared with another.

import { FRAMES_PER_S } from "./pitch-curve.js";

const LOUD = 0.16;
const FADE_S = 0.012;

export class Hum {
  #tone = null;

  // Whether anything was to be stopped.
  stop() {
    const tone = this.#tone;
    this.#tone = null;
    tone?.stop();
    return Boolean(tone);
  }

  start(curve) {
    this.context ??= new AudioContext();
    const begin = this.context.currentTime + 0.05;
    const tone = new OscillatorNode(this.context, { type: "triangle" });
    const gain = new GainNode(this.context, { gain: 0 });
    tone.connect(gain).connect(this.context.destination);
    curve.forEach((hz, i) => {
      const when = begin + i / FRAMES_PER_S;
      if (hz > 0) tone.frequency.setValueAtTime(hz, when);
      if (hz > 0 !== (curve[i - 1] ?? 0) > 0) gain.gain.setTargetAtTime(hz > 0 ? LOUD : 0, when, FADE_S);
    });
    const end = begin + curve.length / FRAMES_PER_S;
    gain.gain.setTargetAtTime(0, end, FADE_S);
    tone.start(begin);
    tone.stop(end + 0.1);
    tone.addEventListener("ended", () => this.#tone === tone && (this.#tone = null));
    this.#tone = tone;
  }
}
