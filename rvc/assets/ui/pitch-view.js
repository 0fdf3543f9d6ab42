// The picture of a pitch curve: keys at the left, spectrogram, notes, selection, the curve itself.

import { make } from "./core.js";
import { spectrum } from "./player.js";
import { FRAMES_PER_S, hertz, isBlack, midi, noteName } from "./pitch-curve.js";

const KEYS = 52; // pixels of the keys at the left
const FFT = 2048;
const MOST_COLUMNS = 600;
const SHORTEST_S = 0.4; // of what can be seen at once

export class PitchView {
  // `state()` says what to draw: { curve, before, notes, selection, play_s, compare }.
  constructor(canvas, state) {
    this.canvas = canvas;
    this.state = state;
    this.wave = null;
    this.length_s = 1;
    this.range = { from_s: 0, to_s: 1, low: 40, high: 76 };
  }

  // Show a recording whole, with the keys that its pitch needs.
  fit(curve) {
    this.length_s = Math.max(SHORTEST_S, curve.length / FRAMES_PER_S);
    const voiced = Array.from(curve).filter((hz) => hz > 0).map(midi).sort((a, b) => a - b);
    const [low, high] = voiced.length ? [voiced[Math.floor(voiced.length * 0.02)], voiced[Math.floor(voiced.length * 0.98)]] : [48, 72];
    this.range = { from_s: 0, to_s: this.length_s, low: Math.floor(low) - 7, high: Math.ceil(high) + 14 };
    this.repaint();
  }

  zoom(factor, about_s = (this.range.from_s + this.range.to_s) / 2) {
    const { from_s, to_s } = this.range;
    const width = Math.min(this.length_s, Math.max(SHORTEST_S, (to_s - from_s) * factor));
    this.#look(about_s - ((about_s - from_s) / (to_s - from_s)) * width, width);
  }

  pan(by_s, by_notes = 0) {
    this.#look(this.range.from_s + by_s, this.range.to_s - this.range.from_s);
    const move = Math.max(12 - this.range.low, Math.min(108 - this.range.high, by_notes));
    if (by_notes) [this.range.low, this.range.high] = [this.range.low + move, this.range.high + move];
  }

  #look(from_s, width) {
    this.range.from_s = Math.max(0, Math.min(this.length_s - width, from_s));
    this.range.to_s = this.range.from_s + width;
    this.repaint();
  }

  get box() {
    return { width: this.canvas.clientWidth - KEYS, height: this.canvas.clientHeight };
  }

  x(frame) {
    const { from_s, to_s } = this.range;
    return KEYS + ((frame / FRAMES_PER_S - from_s) / (to_s - from_s)) * this.box.width;
  }

  y(note) {
    const { low, high } = this.range;
    return this.box.height * (1 - (note - low) / (high - low));
  }

  // The { frame, note } under a pointer.
  at(event) {
    const place = this.canvas.getBoundingClientRect();
    const { from_s, to_s, low, high } = this.range;
    const part = (event.clientX - place.left - KEYS) / this.box.width;
    const frame = Math.round((from_s + part * (to_s - from_s)) * FRAMES_PER_S);
    return { frame: Math.max(0, frame), note: low + (1 - (event.clientY - place.top) / this.box.height) * (high - low) };
  }

  // Draw soon, the spectrogram anew.
  repaint() {
    this.picture = null;
    clearTimeout(this.later);
    this.later = setTimeout(() => ((this.picture = this.#spectrogram()), this.draw()), 120);
    this.draw();
  }

  draw() {
    if (this.waiting) return;
    this.waiting = requestAnimationFrame(() => ((this.waiting = 0), this.#draw()));
  }

  #draw() {
    const { canvas } = this;
    const scale = window.devicePixelRatio || 1;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const ink = canvas.getContext("2d");
    ink.setTransform(scale, 0, 0, scale, 0, 0);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    ink.fillStyle = colour("--background-fill-secondary");
    ink.fillRect(0, 0, width, height);
    if (this.picture) {
      ink.imageSmoothingEnabled = true;
      ink.drawImage(this.picture, KEYS, 0, this.box.width, height);
    }
    const { curve, before, notes, selection, play_s, compare } = this.state();
    this.#keys(ink, colour);
    if (selection) {
      ink.fillStyle = colour("--color-accent");
      ink.globalAlpha = 0.16;
      ink.fillRect(this.x(selection[0]), 0, this.x(selection[1]) - this.x(selection[0]), height);
      ink.globalAlpha = 1;
    }
    ink.fillStyle = ink.strokeStyle = colour("--color-accent");
    for (const one of compare ? [] : notes) {
      const tall = Math.max(8, this.y(0) - this.y(0.9));
      const place = [this.x(one.from), this.y(one.note) - tall / 2, this.x(one.to) - this.x(one.from), tall];
      ink.globalAlpha = 0.25;
      ink.fillRect(...place);
      ink.globalAlpha = 0.8;
      ink.strokeRect(...place);
    }
    ink.globalAlpha = 1;
    ink.lineJoin = "round";
    this.#line(ink, before, colour("--body-text-color-subdued"), compare ? 2.4 : 1.2, compare ? [] : [3, 3]);
    if (!compare) this.#line(ink, curve, colour("--accent-text"), 2.6, []);
    if (play_s >= 0) {
      ink.fillStyle = colour("--body-text-color");
      ink.fillRect(this.x(play_s * FRAMES_PER_S), 0, 1.5, height);
    }
  }

  #keys(ink, colour) {
    const { low, high } = this.range;
    const tall = this.box.height / (high - low);
    ink.font = "11px system-ui, sans-serif";
    ink.textBaseline = "middle";
    for (let note = Math.floor(low); note <= high; note++) {
      const y = this.y(note);
      ink.fillStyle = isBlack(note) ? "#26241f" : "#fbfaf7";
      ink.fillRect(0, y - tall / 2, isBlack(note) ? KEYS * 0.62 : KEYS - 2, tall - 0.6);
      ink.fillStyle = colour("--body-text-color");
      ink.globalAlpha = note % 12 === 0 ? 0.28 : 0.08;
      ink.fillRect(KEYS, y - 0.5, this.box.width, 1);
      ink.globalAlpha = 1;
      if (note % 12 === 0 || (tall > 15 && !isBlack(note))) {
        ink.fillStyle = "#1c1b18";
        ink.fillText(noteName(note), KEYS - 26, y);
      }
    }
  }

  #line(ink, curve, colour, width, dash) {
    const [first, last] = [this.range.from_s, this.range.to_s].map((s) => Math.round(s * FRAMES_PER_S));
    ink.save();
    ink.beginPath();
    ink.rect(KEYS, 0, this.box.width, this.box.height);
    ink.clip();
    ink.beginPath();
    ink.strokeStyle = colour;
    ink.lineWidth = width;
    ink.setLineDash(dash);
    for (let i = Math.max(0, first - 1), open = false; i <= Math.min(curve.length - 1, last + 1); i++) {
      if (!(curve[i] > 0)) open = false;
      else if (open) ink.lineTo(this.x(i), this.y(midi(curve[i])));
      else {
        ink.moveTo(this.x(i), this.y(midi(curve[i])));
        open = true;
      }
    }
    ink.stroke();
    ink.restore();
  }

  // What is heard in view, on the axis of the keys; null where the browser cannot decode it.
  #spectrogram() {
    const { wave } = this;
    const { width, height } = this.box;
    if (!wave || width < 10) return null;
    const [columns, rows] = [Math.min(MOST_COLUMNS, Math.round(width)), Math.min(240, Math.round(height))];
    const picture = make("canvas", "", "", { width: columns, height: rows });
    const ink = picture.getContext("2d");
    const pixels = ink.createImageData(columns, rows);
    const { from_s, to_s, low, high } = this.range;
    const dark = document.body.classList.contains("dark") ? 235 : 40;
    const bins = Array.from({ length: rows }, (_, row) => (hertz(high - ((row + 0.5) / rows) * (high - low)) * FFT) / this.rate);
    for (let column = 0; column < columns; column++) {
      const middle = (from_s + ((column + 0.5) / columns) * (to_s - from_s)) * this.rate;
      const power = spectrum(wave, Math.round(middle - FFT / 2), FFT);
      for (let row = 0; row < rows; row++) {
        const [bin, part] = [Math.floor(bins[row]), bins[row] % 1];
        const level = 10 * Math.log10((1 - part) * power[bin] + part * power[bin + 1] + 1e-9);
        const at = 4 * (row * columns + column);
        pixels.data.set([dark, dark, dark, 170 * Math.max(0, Math.min(1, (level + 25) / 65))], at);
      }
    }
    ink.putImageData(pixels, 0, 0);
    return picture;
  }
}
