// A pitch curve as numbers: what can be done to 100 values per second in Hz, 0 where unvoiced.
// Nothing here knows of pictures. Every change returns a new curve; stretches are [from, to) frames.

export const FRAMES_PER_S = 100;
export const [LOWEST_HZ, HIGHEST_HZ] = [30, 2000];
export const midi = (hz) => 69 + 12 * Math.log2(hz / 440);
export const hertz = (note) => 440 * 2 ** ((note - 69) / 12);
const NAMES = ["C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B"];
export const noteName = (note) => `${NAMES[((Math.round(note) % 12) + 12) % 12]}${Math.floor(Math.round(note) / 12) - 1}`;
export const isBlack = (note) => [1, 3, 6, 8, 10].includes(((note % 12) + 12) % 12);

// Pitch classes of a scale above its tonic.
export const SCALES = { chromatic: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], major: [0, 2, 4, 5, 7, 9, 11], minor: [0, 2, 3, 5, 7, 8, 10], pentatonic: [0, 2, 4, 7, 9] };
export const TONICS = NAMES;

const NEW_NOTE = 0.8; // semitones away from a note's middle, for so many frames, and another begins
const NEW_NOTE_FRAMES = 6;
const SHORTEST = 5; // frames of a note

const inside = (hz) => Math.min(HIGHEST_HZ, Math.max(LOWEST_HZ, hz));

function changed(curve, from, to, act) {
  const made = Float32Array.from(curve);
  for (let i = Math.max(0, from); i < Math.min(curve.length, to); i++) made[i] = act(curve[i], i);
  return made;
}

export const shift = (curve, from, to, semitones) =>
  changed(curve, from, to, (hz) => (hz > 0 ? inside(hz * 2 ** (semitones / 12)) : 0));

export const erase = (curve, from, to) => changed(curve, from, to, () => 0);

export function median(curve, from = 0, to = curve.length) {
  const voiced = curve.slice(from, to).filter((hz) => hz > 0).sort();
  return voiced.length ? voiced[voiced.length >> 1] : 0;
}

// Each voiced value becomes the mean pitch of those near it, without reaching over a gap.
export function smooth(curve, from, to, reach = 6) {
  return changed(curve, from, to, (hz, at) => {
    if (!(hz > 0)) return 0;
    let [sum, count] = [midi(hz), 1];
    for (const step of [-1, 1]) {
      for (let d = 1; d <= reach && curve[at + step * d] > 0; d++, count++) sum += midi(curve[at + step * d]);
    }
    return hertz(sum / count);
  });
}

// Notes { from, to, note }: stretches whose pitch stays near one place.
export function notes(curve) {
  const found = [];
  let [from, away, values] = [-1, 0, []];
  const end = (to) => {
    if (to - from >= SHORTEST) found.push({ from, to, note: midi(median(curve, from, to)) });
    [from, away, values] = [-1, 0, []];
  };
  for (let i = 0; i <= curve.length; i++) {
    if (!(curve[i] > 0)) {
      if (from >= 0) end(i);
      continue;
    }
    const pitch = midi(curve[i]);
    if (from < 0) from = i;
    const middle = values.length ? values.reduce((a, b) => a + b) / values.length : pitch;
    away = Math.abs(pitch - middle) > NEW_NOTE ? away + 1 : 0;
    if (!away) values.push(pitch);
    if (away >= NEW_NOTE_FRAMES) {
      const begin = i - away + 1;
      end(begin);
      from = begin;
      values = Array.from(curve.slice(begin, i + 1), midi);
    }
  }
  return found;
}

// Every note moves as a whole to the nearest tone of a scale: vibrato and glides stay.
export function snap(curve, from, to, scale, tonic = 0) {
  let made = curve;
  const tones = SCALES[scale].map((step) => (step + tonic) % 12);
  for (const one of notes(curve)) {
    if (one.to <= from || one.from >= to) continue;
    const around = Array.from({ length: 25 }, (_, i) => Math.round(one.note) - 12 + i);
    const fits = around.filter((note) => tones.includes(((note % 12) + 12) % 12));
    const nearest = fits.reduce((a, b) => (Math.abs(b - one.note) < Math.abs(a - one.note) ? b : a));
    made = shift(made, one.from, one.to, nearest - one.note);
  }
  return made;
}

// A stroke from one (frame, Hz) to the next; the steps between lie on a straight line of notes.
export function stroke(curve, [a, from_hz], [b, to_hz]) {
  if (b < a) return stroke(curve, [b, to_hz], [a, from_hz]);
  const [low, high] = [midi(inside(from_hz)), midi(inside(to_hz))];
  return changed(curve, a, b + 1, (_, i) => hertz(b === a ? high : low + ((high - low) * (i - a)) / (b - a)));
}

// What was done, to be undone and done again.
export class History {
  #past = [];
  #future = [];

  constructor(curve) {
    this.now = curve;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  put(curve) {
    this.#past.push(this.now);
    this.#future = [];
    this.now = curve;
  }

  undo() {
    if (!this.canUndo) return;
    this.#future.push(this.now);
    this.now = this.#past.pop();
  }

  redo() {
    if (!this.canRedo) return;
    this.#past.push(this.now);
    this.now = this.#future.pop();
  }
}
