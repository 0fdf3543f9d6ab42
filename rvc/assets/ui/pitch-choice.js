// <pitch-choice>: which pitch a recording is converted with: its own, or a file that was edited.
// Its value is the path of that file, or null.

import { T, baseName, button, fileUrl, make } from "./core.js";

const [KEPT, MOST] = ["voice.pitch-of", 60];

// The recording of every file edited here, by the file's path.
function recordingOf() {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {};
  }
}

class PitchChoice extends HTMLElement {
  #value = null;

  connectedCallback() {
    this.said = make("p", "hint", "", { role: "status" });
    this.edit = button(T("Edit the pitch"), "plain", () => this.#open());
    this.away = button(T("Use the original"), "plain", () => this.#choose(null));
    this.load = make("a", "download", T("Download"), { download: "" });
    const row = make("div", "pitch-tools");
    row.append(this.edit, this.load, this.away);
    this.replaceChildren(row, this.said);
    window.addEventListener("voice-saved", (event) => {
      const { key, name } = event.detail;
      if (key !== "inference" || name !== "recording" || !this.#value) return;
      if (recordingOf()[this.#value] !== event.detail.value) this.#choose(null); // it is of another one
    });
    this.#show();
  }

  get value() {
    return this.#value;
  }

  set value(path) {
    this.#value = path || null;
    if (this.edit) this.#show();
  }

  #show() {
    this.load.hidden = this.away.hidden = !this.#value;
    this.said.textContent = this.#value ? `${T("Edited pitch")}: ${baseName(this.#value)}` : "";
    if (this.#value) this.load.href = fileUrl(this.#value);
  }

  #choose(path) {
    this.value = path;
    this.dispatchEvent(new Event("value-changed"));
  }

  async #open() {
    const recording = window.voice.value("inference", "recording");
    if (!recording) return void (this.said.textContent = T("Choose a recording first."));
    const { editPitch } = await import("./pitch-editor.js");
    const method = window.voice.value("sound", "f0_method");
    const path = await editPitch({ recording, method, file: this.#value });
    if (path) localStorage.setItem(KEPT, JSON.stringify(Object.fromEntries([...Object.entries(recordingOf()), [path, recording]].slice(-MOST))));
    if (path !== undefined) this.#choose(path || null);
  }
}

customElements.define("pitch-choice", PitchChoice);
