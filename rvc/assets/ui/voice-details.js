// One voice in full: facts, picture, tags, and everything that can be done with it as plain buttons.

import { T, ask, baseName, button, fileUrl, make } from "./core.js";
import { plainly, resultFacts } from "./parts.js";
import { cards, facts, megabytes, portrait, speaker, work } from "./voice-face.js";
import { pickVoice } from "./voice-picker.js";

const PICTURE = 320; // pixels of a kept picture's side

export class VoiceDetails extends HTMLElement {
  connectedCallback() {
    this.dialog ??= this.appendChild(make("dialog", "voice-details"));
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.dialog.addEventListener("close", () => this.library.load());
  }

  get open() {
    return this.dialog.open;
  }

  show(card, library) {
    this.library = library;
    this.said = make("div", "", "", { "aria-live": "polite" });
    this.form = make("div");
    this.refresh(card);
    if (!this.dialog.open) this.dialog.showModal();
  }

  // Show this card, and the version of it that was chosen before.
  refresh(card) {
    this.card = card;
    this.version = card.versions.find((v) => v.pth_path === this.version?.pth_path) ?? card.versions[0];
    this.dialog.setAttribute("aria-label", card.name);
    this.dialog.replaceChildren(this.#head(), this.#tags(), this.#facts(), this.#actions(), this.form, this.said, this.#information());
  }

  tell(kind, text, ...more) {
    const box = make("div", `notice ${kind}`);
    box.append(make("p", "", text), ...more);
    this.said.replaceChildren(...(text ? [box] : []));
  }

  #head() {
    const head = make("div", "details-head");
    const words = make("div", "grow");
    words.append(make("h2", "", this.card.name));
    if (this.card.versions.length > 1) {
      const choice = make("select", "", "", { "aria-label": T("Version") });
      for (const v of this.card.versions) choice.append(new Option(v.name, v.pth_path, false, v === this.version));
      choice.addEventListener("change", () => {
        this.version = this.card.versions.find((v) => v.pth_path === choice.value);
        this.refresh(this.card);
      });
      words.append(choice);
    }
    const hear = speaker(this.card, this.version, (error) => this.tell("bad", error.message));
    const close = button("✕", "plain close", () => this.dialog.close());
    close.setAttribute("aria-label", T("Close"));
    head.append(this.#picture(), words, hear, close);
    return head;
  }

  #picture() {
    if (!this.card.own || !this.card.folder) return portrait(this.card);
    const frame = make("label", "picture-drop", "", { title: T("Choose or drop a picture") });
    const file = make("input", "", "", { type: "file", accept: "image/*", "aria-label": T("Choose or drop a picture") });
    file.addEventListener("change", () => this.#keepPicture(file.files[0]));
    frame.addEventListener("dragover", (event) => event.preventDefault());
    frame.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      this.#keepPicture(event.dataTransfer.files[0]);
    });
    frame.append(portrait(this.card), file);
    return frame;
  }

  // The middle of a picture, small; drawing it anew leaves out what cameras write into files.
  async #keepPicture(file) {
    try {
      const whole = await createImageBitmap(file);
      const side = Math.min(whole.width, whole.height);
      const small = make("canvas", "", "", { width: PICTURE, height: PICTURE });
      small.getContext("2d").drawImage(whole, (whole.width - side) / 2, (whole.height - side) / 2, side, side, 0, 0, PICTURE, PICTURE);
      const body = await new Promise((resolve) => small.toBlob(resolve, "image/jpeg", 0.86));
      await this.#put("picture", { body });
    } catch (error) {
      this.tell("bad", error.details ? error.message : T("This picture cannot be read."));
    }
  }

  async #put(what, options) {
    await ask(`voices/${encodeURIComponent(this.card.name)}/${what}`, { method: "PUT", ...options });
    const all = await cards(true);
    this.refresh(all.find((card) => card.name === this.card.name) ?? this.card);
  }

  #tags() {
    const row = make("div", "tag-row");
    if (!this.card.own || !this.card.folder) return row;
    const save = (tags) =>
      this.#put("tags", { headers: { "content-type": "application/json" }, body: JSON.stringify({ tags }) }).catch((error) => this.tell("bad", error.message));
    for (const tag of this.card.tags) {
      const chip = button(`${tag} ✕`, "tag", () => save(this.card.tags.filter((one) => one !== tag)));
      chip.setAttribute("aria-label", `${T("Remove")}: ${tag}`);
      row.append(chip);
    }
    const fresh = make("input", "tag-new", "", { type: "text", maxlength: 32, placeholder: T("Add a tag"), "aria-label": T("Add a tag") });
    fresh.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && fresh.value.trim()) save([...this.card.tags, fresh.value]);
    });
    row.append(fresh);
    return row;
  }

  #facts() {
    const v = this.version;
    const list = make("dl", "facts-table");
    const rows = [
      [T("Voice"), facts(v)],
      [T("Content embedder"), v.embedder_model],
      [T("Index"), v.index_path ? baseName(v.index_path) : T("none")],
      [T("Size"), megabytes(v.bytes)],
      [T("Author"), v.author],
      [T("Recordings"), v.dataset_length],
      [T("Likeness"), v.similarity == null ? "" : `${Math.round(100 * v.similarity)} %`],
      [T("Score"), v.score == null ? "" : `${v.score.toFixed(3)} (${T("lower is better")})`],
    ];
    for (const [name, value] of rows) if (value) list.append(make("dt", "", name), make("dd", "", String(value)));
    return list;
  }

  #actions() {
    const { card, version } = this;
    const row = make("div", "details-actions");
    const add = (text, act, kind = "plain") => row.append(button(text, kind, act));
    add(T("Convert with it"), () => this.#take("inference", version.pth_path), "plain lead");
    if (document.getElementById("tab-live-button")) add(T("Go live"), () => this.#live(version.pth_path));
    if (card.resumable) add(T("Train on"), () => this.#take("training", card.name));
    if (version.vocoder !== "lite") add(T("Make a live version"), () => this.#distil());
    add(T("Blend with…"), () => this.#blend());
    if (card.own) add(T("Rename"), () => this.#ask(T("New name"), card.name, (name) => this.#rename(name)));
    add(T("Author"), () => this.#ask(T("Author"), version.author ?? "", (author) => this.#do("model-edit", { pth_path: version.pth_path, author })));
    if (card.own && card.folder) add(T("Export a zip"), () => this.#do("export-voice", { model_name: card.name, pth_path: version.pth_path }));
    if (!/\.onnx$/.test(version.pth_path)) {
      add(T("Export ONNX"), () => this.#do("export-onnx", { pth_path: version.pth_path, overwrite: true }));
      add(/\.pth$/.test(version.pth_path) ? T("Export safetensors") : T("Export .pth"), () => this.#do("model-convert", { pth_path: version.pth_path, overwrite: true }));
    }
    if (card.own) add(T("Delete"), () => (this.dialog.close(), this.library.remove(card.name)), "plain danger");
    return row;
  }

  // Hand a voice to another tab, whose hidden button `take-…` asks for it.
  #take(tab, value) {
    this.dialog.close();
    window.voice.wanted = value;
    document.getElementById(`take-${tab}`).click();
  }

  // The desk of the Live tab takes what is kept once it is there; one that is there hears of it.
  #live(path) {
    this.dialog.close();
    localStorage.setItem("voice.live.voice", path);
    window.dispatchEvent(new Event("voice-live"));
    window.voice.open("live");
  }

  // Do a verb; what it wrote can be downloaded.
  async #do(verb, values) {
    this.form.replaceChildren();
    try {
      const seen = (job) => this.tell("quiet", job.note || T("Getting ready…"));
      const done = await work(verb, values, seen);
      const links = done.file ? [make("a", "download", baseName(done.file), { href: fileUrl(done.file), download: baseName(done.file) })] : [];
      this.tell("good", plainly(done.message, { params: values, result: done }), ...links);
      await this.library.load(true);
      return done;
    } catch (error) {
      this.tell("bad", error.message);
      return null;
    }
  }

  async #rename(name) {
    const done = await this.#do("rename-voice", { model_name: this.card.name, new_name: name });
    const card = done && this.library.cards.find((one) => one.name === done.name);
    if (card) this.refresh(card);
  }

  // A line to type one thing into.
  #ask(title, value, act, ...more) {
    const form = make("form", "details-form");
    const field = make("input", "", "", { type: "text", "aria-label": title, placeholder: title });
    field.value = value;
    form.append(field, ...more, make("button", "plain lead", T("Save"), { type: "submit" }), button(T("Cancel"), "plain", () => this.form.replaceChildren()));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (field.value.trim()) act(field.value.trim());
    });
    this.form.replaceChildren(form);
    field.focus();
  }

  async #blend() {
    const other = await pickVoice(null);
    if (!other) return;
    const part = make("input", "", "", { type: "range", min: 0, max: 1, step: 0.05, value: 0.5, "aria-label": T("Part of the first voice; the second has the rest.") });
    const shown = make("span", "hint", "50 %");
    part.addEventListener("input", () => (shown.textContent = `${Math.round(100 * part.value)} %`));
    const act = (name) =>
      this.#do("model-blender", { model_name: name, pth_path_1: this.version.pth_path, pth_path_2: other, ratio: Number(part.value) });
    const name = `${this.card.name} ${baseName(other).replace(/\.\w+$/, "")}`.slice(0, 48);
    this.#ask(T("Name of the new voice."), name, act, part, shown);
  }

  // A lite voice that learns from this one; from speech of a folder, or else built-in sentences.
  #distil() {
    const { pth_path, index_path } = this.version;
    const title = T("Folder with your own speech; without it, built-in sentences");
    const speech = make("input", "", "", { type: "text", "aria-label": title, placeholder: title, title });
    const act = (name) => this.#do("distil", { model_name: name, pth_path, index_path, dataset_path: speech.value.trim() || null });
    this.#ask(T("Name of the new voice."), `${this.card.name} live`.slice(0, 48), act, speech);
  }

  // Everything the file itself says; looked up when it is opened.
  #information() {
    const fold = make("details", "voice-information");
    fold.append(make("summary", "", T("Everything in the file")));
    fold.addEventListener("toggle", async () => {
      if (!fold.open || fold.children.length > 1) return;
      const wait = make("p", "hint", T("Getting ready…"));
      fold.append(wait);
      try {
        const found = await work("model-information", { pth_path: this.version.pth_path });
        const { embedder, ...plain } = found;
        wait.replaceWith(...resultFacts({ ...plain, ...flat("embedder", embedder), file: baseName(found.file) }));
      } catch (error) {
        wait.textContent = error.message;
      }
    });
    return fold;
  }
}

// { embedder: { name } } as rows "embedder name".
const flat = (key, values) => Object.fromEntries(Object.entries(values ?? {}).map(([k, v]) => [`${key} ${k}`, v]));

customElements.define("voice-details", VoiceDetails);
