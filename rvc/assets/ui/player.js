// <ab-player input="…" output="…">: listen to before and after at the same spot, and see them.

import { T, baseName, button, duration, fileUrl, make } from "./core.js";

const LARGEST_BYTES = 80 << 20;
const SIZE = 256; // bins of the spectrogram

class AbPlayer extends HTMLElement {
  connectedCallback() {
    const output = this.getAttribute("output");
    const input = this.getAttribute("input");
    this.sources = { after: output, ...(input ? { before: input } : {}) };
    this.side = "after";
    this.kind = localStorage.getItem("voice.picture") ?? "waveform";
    this.sound = make("audio", "", "", { preload: "metadata" });
    this.canvas = make("canvas", "", "", { width: 800, height: 160, tabindex: 0, role: "slider" });
    this.canvas.setAttribute("aria-label", T("Position"));
    this.play = button("", "play", () => (this.sound.paused ? this.sound.play() : this.sound.pause()));
    this.clock = make("span", "clock");
    this.append(this.#head(), this.canvas, this.#foot(output), this.sound);
    this.#wire();
    this.#choose("after");
  }

  disconnectedCallback() {
    this.sound.pause();
  }

  #head() {
    const row = make("div", "ab-row");
    const sides = make("div", "switch", "", { role: "group" });
    this.sideButtons = {};
    const names = this.getAttribute("names")?.split("|") ?? [T("Before"), T("After")];
    for (const [side, text] of [["before", names[0]], ["after", names[1]]]) {
      if (!this.sources[side]) continue;
      sides.append((this.sideButtons[side] = button(text, "", () => this.#choose(side))));
    }
    const kinds = make("div", "switch", "", { role: "group" });
    this.kindButtons = {};
    for (const [kind, text] of [["waveform", T("Waveform")], ["spectrogram", T("Spectrogram")]]) {
      kinds.append((this.kindButtons[kind] = button(text, "", () => this.#picture(kind))));
    }
    row.append(sides, kinds);
    return row;
  }

  #foot(output) {
    const row = make("div", "ab-row");
    const link = make("a", "download", T("Download"), { href: fileUrl(output), download: baseName(output) });
    row.append(this.play, this.clock, make("span", "grow"), link);
    return row;
  }

  #wire() {
    const seek = (part) => {
      if (Number.isFinite(this.sound.duration)) this.sound.currentTime = part * this.sound.duration;
    };
    this.canvas.addEventListener("click", (event) => {
      const box = this.canvas.getBoundingClientRect();
      seek((event.clientX - box.left) / box.width);
    });
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -2, ArrowRight: 2 }[event.key];
      if (step) this.sound.currentTime += step;
      if (event.key === " ") this.play.click();
      if (step || event.key === " ") event.preventDefault();
    });
    for (const name of ["play", "pause", "timeupdate", "loadedmetadata", "ended"]) {
      this.sound.addEventListener(name, () => this.#tick());
    }
  }

  async #choose(side) {
    const { currentTime, paused } = this.sound;
    this.side = side;
    for (const [name, b] of Object.entries(this.sideButtons)) b.setAttribute("aria-pressed", name === side);
    this.sound.src = fileUrl(this.sources[side]);
    this.sound.currentTime = currentTime;
    if (!paused) this.sound.play();
    this.#picture(this.kind);
  }

  async #picture(kind) {
    this.kind = kind;
    localStorage.setItem("voice.picture", kind);
    for (const [name, b] of Object.entries(this.kindButtons)) b.setAttribute("aria-pressed", name === kind);
    this.image = null;
    this.#tick();
    const side = this.side;
    const wave = await samples(fileUrl(this.sources[side]));
    if (side !== this.side || kind !== this.kind || !wave) return;
    this.image = kind === "waveform" ? drawWave(wave, this) : drawSpectrogram(wave);
    this.#tick();
  }

  #tick() {
    const { duration: all, currentTime: now, paused } = this.sound;
    this.play.textContent = paused ? "▶" : "❚❚";
    this.play.setAttribute("aria-label", paused ? T("Play") : T("Pause"));
    this.clock.textContent = Number.isFinite(all) ? `${duration(now)} / ${duration(all)}` : "";
    const ink = this.canvas.getContext("2d");
    ink.clearRect(0, 0, this.canvas.width, this.canvas.height);
    if (this.image) ink.drawImage(this.image, 0, 0, this.canvas.width, this.canvas.height);
    if (!Number.isFinite(all)) return;
    ink.fillStyle = getComputedStyle(this).getPropertyValue("--body-text-color");
    ink.fillRect((this.canvas.width * now) / all - 1, 0, 2, this.canvas.height);
  }
}

// <mini-player src="…" name="…">: one sound in a row of others: play, place, time.
class MiniPlayer extends HTMLElement {
  connectedCallback() {
    this.sound = make("audio", "", "", { preload: this.getAttribute("preload") ?? "metadata", src: this.getAttribute("src") });
    this.play = button("▶", "play small", () => (this.sound.paused ? this.sound.play() : this.sound.pause()));
    this.place = make("input", "", "", { type: "range", min: 0, max: 1, step: "any", value: 0, "aria-label": `${T("Position")}: ${this.getAttribute("name")}` });
    this.place.addEventListener("input", () => (this.sound.currentTime = this.place.value * (this.sound.duration || 0)));
    this.clock = make("span", "clock");
    this.replaceChildren(this.play, this.place, this.clock, this.sound);
    for (const name of ["play", "pause", "timeupdate", "loadedmetadata", "ended"]) {
      this.sound.addEventListener(name, () => this.#tick());
    }
    this.#tick();
  }

  disconnectedCallback() {
    this.sound.pause();
  }

  #tick() {
    const { paused, currentTime: now, duration: all } = this.sound;
    this.play.textContent = paused ? "▶" : "❚❚";
    this.play.setAttribute("aria-label", `${paused ? T("Play") : T("Pause")}: ${this.getAttribute("name")}`);
    if (!Number.isFinite(all)) return;
    this.place.value = now / all;
    this.place.style.setProperty("--range_progress", `${(100 * now) / all}%`);
    this.clock.textContent = duration(paused && !now ? all : now);
  }
}

const known = new Map();
export async function samples(url) {
  if (!known.has(url)) known.set(url, decode(url).catch(() => null));
  return known.get(url);
}

async function decode(url) {
  const bytes = await (await fetch(url)).arrayBuffer();
  if (bytes.byteLength > LARGEST_BYTES) return null;
  const decoded = await new OfflineAudioContext(1, 1, 22050).decodeAudioData(bytes);
  return decoded.getChannelData(0);
}

export function drawWave(wave, element) {
  const picture = make("canvas", "", "", { width: 800, height: 160 });
  const ink = picture.getContext("2d");
  ink.fillStyle = getComputedStyle(element).getPropertyValue("--color-accent");
  const step = wave.length / 400;
  for (let column = 0; column < 400; column++) {
    let peak = 0;
    for (let i = Math.floor(column * step); i < (column + 1) * step; i++) peak = Math.max(peak, Math.abs(wave[i]));
    const height = Math.max(2, Math.min(1, peak) * 150);
    ink.fillRect(column * 2, 80 - height / 2, 1.4, height);
  }
  return picture;
}

function drawSpectrogram(wave) {
  const columns = 500;
  const picture = make("canvas", "", "", { width: columns, height: SIZE });
  const ink = picture.getContext("2d");
  const pixels = ink.createImageData(columns, SIZE);
  for (let column = 0; column < columns; column++) {
    const start = Math.floor((column * Math.max(0, wave.length - 2 * SIZE)) / columns);
    const power = spectrum(wave, start);
    for (let bin = 0; bin < SIZE; bin++) {
      const level = Math.max(0, Math.min(1, (10 * Math.log10(power[bin] + 1e-9) + 50) / 80));
      const at = 4 * ((SIZE - 1 - bin) * columns + column);
      pixels.data.set([255 * level ** 2, 200 * level ** 1.2, 60 + 150 * level, 255 * Math.min(1, 3 * level)], at);
    }
  }
  ink.putImageData(pixels, 0, 0);
  return picture;
}

// Power of the lower half of the bins, from `count` samples, a power of two.
export function spectrum(wave, start, count = 2 * SIZE) {
  const re = new Float64Array(count);
  const im = new Float64Array(count);
  for (let i = 0, j = 0; i < count; i++) {
    re[j] = (wave[start + i] ?? 0) * (0.5 - 0.5 * Math.cos((2 * Math.PI * i) / count));
    for (let bit = count >> 1; (j ^= bit) < bit; bit >>= 1);
  }
  for (let half = 1; half < count; half *= 2) {
    for (let k = 0; k < half; k++) {
      const [c, s] = [Math.cos((Math.PI * k) / half), -Math.sin((Math.PI * k) / half)];
      for (let a = k; a < count; a += 2 * half) {
        const b = a + half;
        const [x, y] = [re[b] * c - im[b] * s, re[b] * s + im[b] * c];
        [re[b], im[b]] = [re[a] - x, im[a] - y];
        [re[a], im[a]] = [re[a] + x, im[a] + y];
      }
    }
  }
  return re.map((x, i) => x * x + im[i] * im[i]);
}

customElements.define("ab-player", AbPlayer);
customElements.define("mini-player", MiniPlayer);
