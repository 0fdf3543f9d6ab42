// The pitch editor: a recording's pitch, drawn, moved, smoothed, snapped, and kept as a pitch file.
// `await editPitch({ recording, method, file })` answers with the path of a file, "" for the
// recording's own pitch, or undefined where nothing was decided.

import { SOUND, T, ask, baseName, button, fileUrl, make } from "./core.js";
import { samples } from "./player.js";
import { work } from "./voice-face.js";
import { FRAMES_PER_S, History, SCALES, TONICS, erase, hertz, median, midi, noteName, notes, shift, smooth, snap, stroke } from "./pitch-curve.js";
import { PitchView } from "./pitch-view.js";
import { Hum } from "./pitch-hum.js";

const DECODED_HZ = 22050; // of samples()
let dialog = null;

export async function editPitch(asked) {
  dialog ??= document.body.appendChild(new PitchEditor());
  return dialog.edit(asked);
}

class PitchEditor extends HTMLElement {
  connectedCallback() {
    if (this.dialog) return;
    this.dialog = this.appendChild(make("dialog", "pitch-dialog", "", { "aria-label": T("Pitch editor") }));
    this.canvas = make("canvas", "pitch-canvas", "", { tabindex: 0, role: "application", "aria-label": T("Pitch over time; arrow keys move it") });
    this.view = new PitchView(this.canvas, () => this.#state());
    this.sound = make("audio");
    this.hum = new Hum();
    this.said = make("p", "hint", "", { role: "status" });
    this.heading = make("h2");
    const head = make("div", "ab-row");
    const close = button("✕", "plain", () => this.dialog.close());
    close.setAttribute("aria-label", T("Close"));
    head.append(this.heading, close);
    this.dialog.append(head, this.#tools(), this.canvas, this.said, this.#foot(), this.sound);
    this.dialog.addEventListener("close", () => (this.sound.pause(), this.hum.stop(), this.resolve(this.answer)));
    this.#pointer();
    this.canvas.addEventListener("keydown", (event) => this.#key(event));
    new ResizeObserver(() => this.view.repaint()).observe(this.canvas);
    for (const name of ["play", "pause", "ended"]) this.sound.addEventListener(name, () => this.#follow());
  }

  async edit({ recording, method, file }) {
    [this.recording, this.answer, this.selection, this.tool] = [recording, undefined, null, "select"];
    this.heading.textContent = `${T("Pitch")}: ${baseName(recording)}`;
    this.history = this.before = this.view.wave = null;
    this.dialog.showModal();
    this.#choose("select");
    const done = new Promise((resolve) => (this.resolve = resolve));
    this.#load(recording, method, file).catch((error) => this.#tell(error.message));
    return done;
  }

  async #load(recording, method, file) {
    this.#tell(T("Measuring the pitch…"));
    const where = new URLSearchParams({ path: recording, f0_method: method });
    let found = await ask(`pitch?${where}`);
    if (!found.f0_hz) {
      await work("pitch", { path: recording, f0_method: method }, (job) => this.#tell(job.note || T("Measuring the pitch…")));
      found = await ask(`pitch?${where}`);
    }
    const kept = file ? await ask(`pitch/file?${new URLSearchParams({ path: file, frames: found.f0_hz.length })}`) : null;
    if (recording !== this.recording) return;
    this.before = Float32Array.from(found.f0_hz);
    this.history = new History(kept ? Float32Array.from(kept.f0_hz) : this.before);
    this.view.fit(this.before);
    this.#changed();
    if (!SOUND.test(recording)) return;
    this.sound.src = fileUrl(recording);
    this.view.wave = await samples(fileUrl(recording));
    this.view.rate = DECODED_HZ;
    this.view.repaint();
  }

  #state() {
    const curve = this.history?.now ?? new Float32Array();
    const play_s = this.sound.paused ? -1 : this.sound.currentTime;
    return { curve, before: this.before ?? curve, notes: this.notes ?? [], selection: this.selection, play_s, compare: this.compare };
  }

  #tools() {
    const row = make("div", "pitch-tools");
    const tools = make("div", "switch", "", { role: "group", "aria-label": T("Tool") });
    this.toolButtons = {};
    for (const [name, text] of [["select", T("Select")], ["draw", T("Draw")], ["note", T("Move notes")], ["rub", T("Erase")], ["pan", T("Shift view")]]) {
      tools.append((this.toolButtons[name] = button(text, "", () => this.#choose(name))));
    }
    const act = (text, fn) => row.append(button(text, "plain", fn));
    row.append(tools);
    act(T("Octave up"), () => this.#edit(shift, 12));
    act(T("Octave down"), () => this.#edit(shift, -12));
    act(T("Smooth"), () => this.#edit(smooth));
    act(T("No pitch"), () => this.#edit(erase));
    this.tonic = make("select", "", "", { "aria-label": T("Key") });
    TONICS.forEach((name, i) => this.tonic.append(new Option(name, i)));
    this.scale = make("select", "", "", { "aria-label": T("Scale") });
    const titles = { chromatic: T("all tones"), major: T("major"), minor: T("minor"), pentatonic: T("pentatonic") };
    for (const name of Object.keys(SCALES)) this.scale.append(new Option(titles[name], name));
    row.append(this.tonic, this.scale);
    act(T("Snap"), () => this.#edit(snap, this.scale.value, Number(this.tonic.value)));
    this.undo = button(T("Undo"), "plain", () => (this.history?.undo(), this.#changed()));
    this.redo = button(T("Redo"), "plain", () => (this.history?.redo(), this.#changed()));
    row.append(this.undo, this.redo);
    act("+", () => this.view.zoom(0.6));
    row.lastChild.setAttribute("aria-label", T("Closer"));
    act("–", () => this.view.zoom(1 / 0.6));
    row.lastChild.setAttribute("aria-label", T("Farther"));
    return row;
  }

  #foot() {
    const row = make("div", "pitch-tools");
    this.play = button(T("Play"), "plain", () => (this.sound.paused ? this.#play() : this.sound.pause()));
    this.hums = button(T("Hum the pitch"), "plain", () => this.#hum());
    this.comparing = button(T("Compare"), "plain", () => ((this.compare = !this.compare), this.#changed()));
    this.use = button(T("Use this pitch"), "plain lead", () => this.#keep());
    const own = button(T("Back to the original"), "plain", () => ((this.answer = ""), this.dialog.close()));
    row.append(this.play, this.hums, this.comparing, make("span", "grow"), own, this.use);
    return row;
  }

  #choose(tool) {
    this.tool = tool;
    this.canvas.dataset.tool = tool;
    for (const [name, b] of Object.entries(this.toolButtons)) b.setAttribute("aria-pressed", name === tool);
  }

  get span() {
    return this.selection ?? [0, this.history.now.length];
  }

  #edit(act, ...more) {
    if (!this.history) return;
    this.history.put(act(this.history.now, ...this.span, ...more));
    this.#changed();
  }

  #changed() {
    if (!this.history) return;
    this.notes = notes(this.history.now);
    this.undo.disabled = !this.history.canUndo;
    this.redo.disabled = !this.history.canRedo;
    this.comparing.setAttribute("aria-pressed", Boolean(this.compare));
    const [from, to] = this.span;
    const middle = median(this.history.now, from, to);
    const where = this.selection ? `${(from / FRAMES_PER_S).toFixed(2)}–${(to / FRAMES_PER_S).toFixed(2)} s` : T("Whole recording");
    this.#tell(`${where}: ${middle ? `${Math.round(middle)} Hz, ${noteName(midi(middle))}` : T("No pitch")}`);
    this.view.draw();
  }

  #tell(text) {
    this.said.textContent = text;
  }

  // Mouse, pen and finger: the tool says what a drag does.
  #pointer() {
    let drag = null;
    this.canvas.addEventListener("pointerdown", (event) => {
      if (!this.history || event.button) return;
      this.canvas.setPointerCapture(event.pointerId);
      const spot = this.view.at(event);
      const base = this.history.now;
      const one = this.tool === "note" ? this.notes.find((n) => n.from <= spot.frame && spot.frame < n.to && Math.abs(n.note - spot.note) < 3) : null;
      drag = { spot, last: spot, base, curve: base, one };
      if (this.tool === "select") this.selection = null;
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (!drag) return;
      const spot = this.view.at(event);
      drag.curve = this.#dragged(drag, spot);
      drag.last = this.tool === "pan" ? this.view.at(event) : spot;
      this.history.now = drag.curve;
      this.#changed();
    });
    const end = () => {
      if (!drag) return;
      const { base, curve } = drag;
      drag = null;
      this.history.now = base;
      if (curve !== base) this.history.put(curve);
      this.#changed();
    };
    this.canvas.addEventListener("pointerup", end);
    this.canvas.addEventListener("pointercancel", end);
    this.canvas.addEventListener("wheel", (event) => {
      event.preventDefault();
      const { from_s, to_s } = this.view.range;
      if (event.ctrlKey) this.view.zoom(event.deltaY > 0 ? 1.15 : 1 / 1.15, this.view.at(event).frame / FRAMES_PER_S);
      else this.view.pan(((event.deltaX || event.deltaY) / 800) * (to_s - from_s));
    }, { passive: false });
  }

  #dragged({ spot: first, last, base, curve, one }, spot) {
    if (this.tool === "draw") return stroke(curve, [last.frame, hertz(last.note)], [spot.frame, hertz(spot.note)]);
    if (this.tool === "rub") return erase(curve, Math.min(last.frame, spot.frame), Math.max(last.frame, spot.frame) + 1);
    if (this.tool === "note") return one ? shift(base, one.from, one.to, spot.note - first.note) : base;
    if (this.tool === "pan") this.view.pan((last.frame - spot.frame) / FRAMES_PER_S, last.note - spot.note);
    else {
      const ends = [first.frame, spot.frame].map((f) => Math.min(f, base.length)).sort((a, b) => a - b);
      this.selection = ends[1] > ends[0] ? ends : null;
    }
    return base;
  }

  #key(event) {
    if (!this.history) return;
    const step = event.shiftKey ? 12 : event.altKey ? 0.1 : 1;
    const mod = event.ctrlKey || event.metaKey;
    const undo = () => (event.shiftKey ? this.history.redo() : this.history.undo());
    const acts = {
      ArrowUp: () => this.#edit(shift, step),
      ArrowDown: () => this.#edit(shift, -step),
      ArrowLeft: () => this.#move(-10, event.shiftKey),
      ArrowRight: () => this.#move(10, event.shiftKey),
      Delete: () => this.#edit(erase),
      Backspace: () => this.#edit(erase),
      " ": () => this.play.click(),
      ...(mod ? { z: () => (undo(), this.#changed()), y: () => (this.history.redo(), this.#changed()), a: () => ((this.selection = null), this.#changed()) } : {}),
    };
    const act = acts[event.key] ?? acts[event.key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  }

  // Move the selection by frames, or its end.
  #move(frames, endOnly) {
    const length = this.history.now.length;
    const [from, to] = this.selection ?? [0, 50];
    const by = Math.max(endOnly ? from + 10 - to : -from, Math.min(length - to, frames));
    this.selection = this.selection ? [endOnly ? from : from + by, to + by] : [from, Math.min(to, length)];
    this.#changed();
  }

  #play() {
    const [from] = this.span;
    this.sound.currentTime = from / FRAMES_PER_S;
    this.sound.play().catch((error) => this.#tell(error.message));
  }

  #follow() {
    this.play.textContent = this.sound.paused ? T("Play") : T("Pause");
    const step = () => {
      this.view.draw();
      if (this.selection && this.sound.currentTime * FRAMES_PER_S > this.selection[1]) this.sound.pause();
      if (!this.sound.paused) requestAnimationFrame(step);
    };
    step();
  }

  #hum() {
    if (!this.history || this.hum.stop()) return;
    const [from, to] = this.span;
    this.hum.start((this.compare ? this.before : this.history.now).slice(from, to));
  }

  async #keep() {
    if (!this.history) return;
    this.use.disabled = true;
    try {
      const name = baseName(this.recording).replace(/\.\w+$/, "");
      const body = JSON.stringify({ name, f0_hz: Array.from(this.history.now, (hz) => Math.round(1000 * hz) / 1000) });
      const headers = { "content-type": "application/json" };
      this.answer = (await ask("pitch/file", { method: "POST", headers, body })).path;
      this.dialog.close();
    } catch (error) {
      this.#tell(error.message);
    }
    this.use.disabled = false;
  }
}

customElements.define("pitch-editor", PitchEditor);
