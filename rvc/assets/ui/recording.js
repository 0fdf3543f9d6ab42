// <recording-card>: one recording, dropped, chosen, recorded or taken from earlier ones; heard, seen and cut.

import { SOUND, T, baseName, button, duration, fileUrl, make } from "./core.js";
import { Microphone } from "./microphone.js";
import { drawWave } from "./player.js";
import { earlier } from "./earlier.js";
import { cut, factsOf, filesOf, remove, store } from "./store.js";
import { verdict } from "./verdict.js";

class RecordingCard extends HTMLElement {
  #value = null;

  connectedCallback() {
    this.classList.add("drop-zone");
    this.file = make("input", "", "", { type: "file", hidden: "", "aria-label": T("Choose a file") });
    this.file.addEventListener("change", () => this.take(this.file.files[0]));
    this.sound = make("audio", "", "", { preload: "metadata" });
    for (const name of ["play", "pause", "timeupdate", "loadedmetadata", "ended"]) {
      this.sound.addEventListener(name, () => this.#tick());
    }
    this.said = make("div", "", "", { "aria-live": "polite" });
    this.body = make("div", "recording-body");
    this.ways = make("div", "row ways");
    this.record = button(T("Record"), "plain", () => this.#record());
    this.ways.append(
      button(T("Choose a file"), "plain", () => this.file.click()),
      this.record,
      button(T("Earlier"), "plain", async () => this.#choose(await earlier())),
    );
    this.replaceChildren(this.body, this.said, this.ways, this.file);
    for (const name of ["dragover", "dragenter", "dragleave", "drop"]) {
      this.addEventListener(name, (event) => this.#dragged(event));
    }
    this.#show();
  }

  disconnectedCallback() {
    this.sound.pause();
    this.microphone?.stop();
  }

  get value() {
    return this.#value;
  }

  set value(path) {
    if (path === this.#value) return;
    this.#value = path;
    if (this.body) this.#show();
  }

  #choose(path) {
    if (path === undefined) return;
    this.said.replaceChildren();
    this.value = path;
    this.dispatchEvent(new Event("value-changed"));
  }

  #dragged(event) {
    event.preventDefault();
    this.classList.toggle("over", event.type === "dragover" || event.type === "dragenter");
    if (event.type === "drop") filesOf(event.dataTransfer).then(([file]) => file && this.take(file));
  }

  // Sends a file and chooses it; one that cannot be read is put away again, with a sentence.
  async take(file, name = file.name) {
    this.file.value = "";
    this.say("quiet", T("Sending…"));
    try {
      const { path } = await store(file, name);
      this.#choose(path);
      const facts = await factsOf(path);
      if (facts.verdict !== "unreadable") return;
      this.#choose(null); // first: nothing reads it any more
      await remove(path);
      this.say("bad", facts.cause);
    } catch (error) {
      this.say("bad", error.message);
    }
  }

  say(kind, text) {
    const box = make("div", `notice ${kind}`);
    box.append(make("p", "", text));
    this.said.replaceChildren(box);
  }

  async #record() {
    if (this.microphone) {
      const file = this.microphone.stop();
      this.microphone = null;
      this.record.textContent = T("Record");
      this.classList.remove("recording");
      const when = new Date().toLocaleString("sv").replaceAll(":", "."); // 2026-11-26 06.12.30
      return this.take(file, `recording ${when}.wav`);
    }
    try {
      const level = make("div", "level", "", { role: "meter", "aria-label": T("Level") });
      const clock = make("span", "clock", duration(0));
      const fill = make("div", "level-fill");
      level.append(fill);
      this.microphone = await Microphone.open((peak, seconds) => {
        fill.style.width = `${Math.max(0, 100 + 20 * Math.log10(peak + 1e-5) * 1.6)}%`;
        fill.classList.toggle("over", peak > 0.98);
        clock.textContent = duration(seconds);
      });
      this.record.textContent = T("Stop recording");
      this.classList.add("recording");
      const row = make("div", "row");
      row.append(level, clock);
      this.said.replaceChildren(row);
    } catch (error) {
      this.say("bad", error.message);
    }
  }

  async #show() {
    const path = this.#value;
    this.sound.pause();
    this.range = null;
    this.classList.toggle("filled", Boolean(path));
    if (!path) {
      this.sound.removeAttribute("src");
      this.sound.load(); // ends what is still being fetched
      this.body.replaceChildren(make("p", "drop-text", T("Drop a recording here")));
      return;
    }
    const head = make("div", "row");
    this.chip = make("span", "chip");
    const away = button("✕", "plain icon", () => this.#choose(null));
    away.setAttribute("aria-label", T("Choose none"));
    head.append(make("b", "name grow", baseName(path)), this.chip, away);
    this.body.replaceChildren(head);
    const facts = factsOf(path);
    if (SOUND.test(path)) this.#wave(path, facts);
    facts.then(
      (found) => path === this.#value && verdict(this.chip, found),
      () => path === this.#value && this.chip.replaceChildren(T("It is not there any more")),
    );
  }

  #wave(path, facts) {
    this.sound.src = fileUrl(path);
    this.canvas = make("canvas", "wave", "", { width: 800, height: 160, tabindex: 0, role: "slider", "aria-label": T("Position"), "aria-valuemin": 0 });
    this.play = button("▶", "play", () => (this.sound.paused ? this.sound.play() : this.sound.pause()));
    this.clock = make("span", "clock");
    this.only = button(T("Use only this part"), "plain", () => this.#cut(path));
    this.only.hidden = true;
    const foot = make("div", "row");
    foot.append(this.play, this.clock, make("span", "grow"), this.only);
    this.body.append(this.canvas, foot);
    this.#select();
    this.image = null;
    facts.then(({ peaks }) => {
      if (path !== this.#value || !peaks) return;
      this.image = drawWave(peaks, this);
      this.#tick();
    }, () => {}); // that it is gone is said beside its name
    this.#tick();
  }

  // Drag for a part, click for a place; with the keyboard: arrows move, [ and ] set the ends.
  #select() {
    const at = (event) => {
      const box = this.canvas.getBoundingClientRect();
      return Math.min(1, Math.max(0, (event.clientX - box.left) / box.width)) * this.sound.duration;
    };
    let from = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      from = at(event);
      this.canvas.setPointerCapture(event.pointerId);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (from !== null) this.#part(Math.min(from, at(event)), Math.max(from, at(event)));
    });
    this.canvas.addEventListener("pointerup", (event) => {
      if (from !== null && Math.abs(at(event) - from) < 0.01 * this.sound.duration) this.#part(null);
      this.sound.currentTime = Math.min(from ?? 0, at(event));
      from = null;
    });
    this.canvas.addEventListener("keydown", (event) => {
      const now = this.sound.currentTime;
      const [start, end] = this.range ?? [0, this.sound.duration];
      const act = {
        ArrowLeft: () => (this.sound.currentTime = now - 1),
        ArrowRight: () => (this.sound.currentTime = now + 1),
        "[": () => this.#part(now, Math.max(end, now)),
        "]": () => this.#part(Math.min(start, now), now),
        Escape: () => this.#part(null),
        " ": () => this.play.click(),
      }[event.key];
      if (act) act(), event.preventDefault();
    });
  }

  #part(from, to) {
    this.range = from === null || to - from < 0.05 ? null : [from, to];
    this.only.hidden = !this.range;
    this.#tick();
  }

  async #cut(path) {
    const [from, to] = this.range;
    this.only.disabled = true;
    const name = baseName(path).replace(/\.[^.]*$/, "");
    const file = await cut(path, from, to);
    await this.take(file, `${name} ${from.toFixed(1)}-${to.toFixed(1)} s.wav`);
  }

  #tick() {
    if (!this.canvas?.isConnected) return;
    const { duration: all, currentTime: now, paused } = this.sound;
    if (this.range && !paused && now >= this.range[1]) this.sound.pause();
    this.play.textContent = paused ? "▶" : "❚❚";
    this.play.setAttribute("aria-label", paused ? T("Play") : T("Pause"));
    const known = Number.isFinite(all);
    const part = this.range ? ` · ${duration(this.range[1] - this.range[0])}` : "";
    this.clock.textContent = known ? `${duration(now)} / ${duration(all)}${part}` : "";
    this.canvas.setAttribute("aria-valuenow", Math.round(now));
    this.canvas.setAttribute("aria-valuetext", this.clock.textContent);
    if (known) this.canvas.setAttribute("aria-valuemax", Math.round(all));
    const ink = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    ink.clearRect(0, 0, width, height);
    if (this.image) ink.drawImage(this.image, 0, 0, width, height);
    if (!known) return;
    const style = getComputedStyle(this);
    if (this.range) {
      ink.fillStyle = style.getPropertyValue("--background-fill-primary");
      ink.globalAlpha = 0.72;
      ink.fillRect(0, 0, (width * this.range[0]) / all, height);
      ink.fillRect((width * this.range[1]) / all, 0, width, height);
      ink.globalAlpha = 1;
    }
    ink.fillStyle = style.getPropertyValue("--body-text-color");
    ink.fillRect((width * now) / all - 1, 0, 2, height);
  }
}

customElements.define("recording-card", RecordingCard);
