// <stem-mixer>: the parts of a cover in step, each with waveform, mute, solo and gain.

import { T, baseName, button, duration, fileUrl, jobs, make, post } from "./core.js";
import { drawWave } from "./player.js";

const TRACKS = [
  ["input_path", "Original", false],
  ["vocals", "Voice in the song", false],
  ["acapella", "Converted voice", true],
  ["accompaniment", "Accompaniment", true],
  ["backing", "Backing voices", true],
];
const LOWEST_DB = -60;

class StemMixer extends HTMLElement {
  // job: a finished cover.
  show(job) {
    this.job = job;
    const files = { ...job.result, input_path: job.params.input_path };
    if ((job.params.backing ?? "keep") !== "keep") delete files.backing; // gone, or part of the converted voice
    this.tracks = TRACKS.filter(([key]) => files[key]).map(([key, title, heard]) => ({ key, title, muted: !heard, solo: false, db: 0, file: files[key] }));
    this.play = button("▶", "play", () => (this.playing ? this.#pause() : this.#start()));
    this.play.setAttribute("aria-label", T("Play"));
    this.clock = make("span", "clock");
    this.position = 0;
    const mix = make("a", "download", T("Download"), { href: fileUrl(files.output_path), download: baseName(files.output_path) });
    const again = button(T("Mix again with these gains"), "plain again", () => this.#remix(again));
    const head = make("div", "ab-row");
    head.append(this.play, this.clock, make("span", "grow"), again, mix);
    this.replaceChildren(head, ...this.tracks.map((track) => this.#row(track)));
    this.#load();
  }

  disconnectedCallback() {
    this.#pause();
    this.context?.close();
  }

  #row(track) {
    const row = make("div", "stem-row");
    const name = make("span", "stem-name", T(track.title));
    const toggle = (key, text) => {
      const b = button(text[0], "small", () => {
        track[key] = !track[key];
        this.#levels();
      });
      b.setAttribute("aria-label", `${T(text)}: ${T(track.title)}`);
      b.title = T(text);
      return b;
    };
    track.buttons = { muted: toggle("muted", "Mute"), solo: toggle("solo", "Solo") };
    const gain = make("input", "", "", { type: "range", min: -24, max: 12, step: 0.5, value: 0, "aria-label": `${T("Gain")}: ${T(track.title)}` });
    const said = make("span", "clock", "0 dB");
    gain.addEventListener("input", () => {
      track.db = Number(gain.value);
      said.textContent = `${track.db} dB`;
      this.#levels();
    });
    track.canvas = make("canvas", "stem-wave", "", { width: 800, height: 60 });
    track.canvas.addEventListener("click", (event) => {
      const box = track.canvas.getBoundingClientRect();
      this.#seek(((event.clientX - box.left) / box.width) * this.length);
    });
    const link = make("a", "download", "↓", { href: fileUrl(track.file), download: baseName(track.file), "aria-label": `${T("Download")}: ${T(track.title)}` });
    row.append(name, track.buttons.muted, track.buttons.solo, gain, said, link, track.canvas);
    return row;
  }

  get length() {
    return Math.max(0, ...this.tracks.map((track) => track.sound?.duration ?? 0));
  }

  async #load() {
    this.context = new AudioContext();
    await Promise.all(this.tracks.map(async (track) => {
      const bytes = await (await fetch(fileUrl(track.file))).arrayBuffer();
      track.sound = await this.context.decodeAudioData(bytes);
      track.level = this.context.createGain();
      track.level.connect(this.context.destination);
      const picture = drawWave(track.sound.getChannelData(0), this);
      track.canvas.getContext("2d").drawImage(picture, 0, 0, 800, 60);
    })).catch((error) => this.append(make("p", "hint", error.message)));
    this.dataset.ready = "";
    this.#levels();
    this.#tick();
  }

  #levels() {
    const solo = this.tracks.some((track) => track.solo);
    for (const track of this.tracks) {
      const silent = track.muted || (solo && !track.solo);
      if (track.level) track.level.gain.value = silent ? 0 : 10 ** (track.db / 20);
      for (const [key, b] of Object.entries(track.buttons)) b.setAttribute("aria-pressed", track[key]);
    }
  }

  #start() {
    this.context.resume();
    this.began = this.context.currentTime - this.position;
    this.playing = this.tracks.filter((track) => track.sound).map((track) => {
      const source = this.context.createBufferSource();
      source.buffer = track.sound;
      source.connect(track.level);
      source.start(0, Math.min(this.position, track.sound.duration));
      return source;
    });
    this.play.textContent = "❚❚";
    this.play.setAttribute("aria-label", T("Pause"));
    this.#tick();
  }

  #pause() {
    for (const source of this.playing ?? []) source.stop();
    if (this.playing) this.position = this.context.currentTime - this.began;
    this.playing = null;
    this.play.textContent = "▶";
    this.play.setAttribute("aria-label", T("Play"));
  }

  #seek(seconds) {
    const on = this.playing;
    if (on) this.#pause();
    this.position = seconds;
    if (on) this.#start();
    this.#tick();
  }

  #tick() {
    const now = this.playing ? this.context.currentTime - this.began : this.position;
    this.clock.textContent = `${duration(Math.min(now, this.length))} / ${duration(this.length)}`;
    if (!this.playing) return;
    if (now >= this.length) {
      this.#pause();
      this.position = 0;
    } else requestAnimationFrame(() => this.#tick());
  }

  // The same song with other gains: nothing is separated or converted again.
  async #remix(go) {
    go.disabled = true;
    const level = (key) => {
      const track = this.tracks.find((each) => each.key === key);
      return track?.muted ? LOWEST_DB : (track?.db ?? 0);
    };
    const gains = { voice_gain: level("acapella"), accompaniment_gain: level("accompaniment"), backing_gain: level("backing") };
    const files = { acapella_path: this.job.result.acapella, overwrite: true };
    await post("cover", { ...this.job.params, ...gains, ...files }).catch((error) => go.after(make("p", "hint", error.message)));
    jobs.refresh();
  }
}

customElements.define("stem-mixer", StemMixer);
