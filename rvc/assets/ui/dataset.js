// <recordings-box>: the folder a voice is trained from: dropped into, listed with a verdict each, mended.

import { T, baseName, button, duration, make } from "./core.js";
import { row } from "./earlier.js";
import { filesOf, lengthOf, listing, store } from "./store.js";

const SHOWN = 300;
const WANTED_S = 600; // of one clean voice

class RecordingsBox extends HTMLElement {
  #value = null;

  connectedCallback() {
    this.classList.add("drop-zone");
    const of = (text, attributes) => {
      const field = make("input", "", "", { type: "file", multiple: "", hidden: "", "aria-label": text, ...attributes });
      field.addEventListener("change", () => this.take([...field.files]).then(() => (field.value = "")));
      return [field, button(text, "plain", () => field.click())];
    };
    const ways = make("div", "row ways");
    ways.append(...of(T("Choose files"), {}), ...of(T("Choose a folder"), { webkitdirectory: "" }));
    this.fresh = button(T("Begin a new set"), "plain", () => this.#choose(null));
    ways.append(this.fresh);
    this.said = make("div", "", "", { "aria-live": "polite" });
    this.meter = make("div", "amount");
    this.list = make("div", "rows");
    this.sound = make("audio");
    this.replaceChildren(make("p", "drop-text", T("Drop recordings here")), ways, this.said, this.meter, this.list, this.sound);
    for (const name of ["dragover", "dragenter", "dragleave", "drop"]) {
      this.addEventListener(name, (event) => this.#dragged(event));
    }
    this.#load();
  }

  disconnectedCallback() {
    this.sound.pause();
  }

  get value() {
    return this.#value;
  }

  set value(folder) {
    if (folder === this.#value) return;
    this.#value = folder;
    if (this.list) this.#load();
  }

  #choose(folder) {
    this.value = folder;
    this.dispatchEvent(new Event("value-changed"));
  }

  #dragged(event) {
    event.preventDefault();
    this.classList.toggle("over", event.type === "dragover" || event.type === "dragenter");
    if (event.type === "drop") filesOf(event.dataTransfer).then((files) => this.take(files));
  }

  // Files join the set of the voice that is named; without a name, the set in view or a new one.
  async take(files) {
    const name = window.voice.value("training", "model_name")?.trim();
    let set = name || (this.#value && this.unnamed ? baseName(this.#value) : "");
    const refused = [];
    let into = this.#value;
    for (const [i, file] of files.entries()) {
      this.#say("quiet", [`${T("Sending…")} ${i + 1} / ${files.length}`]);
      try {
        ({ folder: into } = await store(file, file.name, set));
        set = baseName(into);
      } catch (error) {
        refused.push(`${error.message} ${error.details?.hint ?? ""}`);
      }
    }
    this.#say("bad", refused.slice(0, 5));
    if (into === this.#value) this.#load();
    else if (into) this.#choose(into);
  }

  get unnamed() {
    return /[\\/]datasets[\\/]new voice( \d+)?$/.test(this.#value ?? "");
  }

  #say(kind, texts) {
    const box = make("div", `notice ${kind}`);
    box.append(...texts.map((text) => make("p", "", text)));
    this.said.replaceChildren(...(texts.length ? [box] : []));
  }

  async #load() {
    const folder = this.#value;
    this.fresh.hidden = !folder;
    this.meter.replaceChildren();
    this.list.replaceChildren();
    if (!folder) return;
    const found = await listing(folder, SHOWN).catch(() => null);
    if (folder !== this.#value || !found) return;
    this.#amount(folder);
    const shared = { sound: this.sound, removed: () => this.#amount(folder) };
    this.list.append(...found.recordings.map((one) => row(one, shared)));
    const rest = found.count - found.recordings.length;
    if (rest > 0) this.list.append(make("p", "facts", `+ ${rest}${found.more ? " +" : ""}`));
  }

  // How much there is of what makes a good voice: the one number that matters.
  async #amount(folder) {
    const [{ seconds }, { count }] = await Promise.all([lengthOf(folder), listing(folder, 1)]);
    if (folder !== this.#value) return;
    const bar = make("div", "job-bar", "", { role: "meter", "aria-label": T("Length of all recordings"), "aria-valuemin": 0, "aria-valuemax": WANTED_S, "aria-valuenow": Math.round(Math.min(seconds, WANTED_S)) });
    const fill = make("div", "job-bar-fill");
    fill.style.width = `${Math.min(100, (100 * seconds) / WANTED_S)}%`;
    bar.append(fill);
    const said = T("%1 recordings, %2 of the 10 min that make a good voice");
    const text = make("p", "facts", said.replace("%1", count).replace("%2", duration(seconds)));
    this.meter.replaceChildren(text, bar);
  }
}

customElements.define("recordings-box", RecordingsBox);
