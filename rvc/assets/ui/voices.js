// <voice-library>: every voice as a card; search, sort, tags; import by drop, link or folder; trash.

import { ENDED, T, ask, button, jobs, make } from "./core.js";
import { cards, facts, megabytes, portrait, speaker, work } from "./voice-face.js";
import { fits } from "./voice-picker.js";

const MAKES = ["create-voice", "train", "index", "distil", "import-voice", "download", "model-blender", "model-extract", "model-edit", "rename-voice", "delete-voice", "restore-voice", "empty-trash"];
const ORDERS = {
  name: [T("Name"), (a, b) => a.name.localeCompare(b.name)],
  newest: [T("Newest"), (a, b) => latest(b) - latest(a)],
  likeness: [T("Likeness"), (a, b) => likeness(b) - likeness(a)],
  size: [T("Size"), (a, b) => b.versions[0].bytes - a.versions[0].bytes],
};
const latest = (card) => Math.max(...card.versions.map((v) => v.changed_s));
const likeness = (card) => Math.max(...card.versions.map((v) => v.similarity ?? -1));

class VoiceLibrary extends HTMLElement {
  connectedCallback() {
    this.order = localStorage.getItem("voice.order") ?? "name";
    this.tag = "";
    this.told = make("div", "told", "", { "aria-live": "polite" });
    this.tags = make("div", "tag-row", "", { role: "group", "aria-label": T("Tags") });
    this.grid = make("div", "voice-grid");
    this.trash = make("details", "voice-trash");
    this.append(this.#tools(), this.#incoming(), this.told, this.tags, this.grid, this.trash);
    this.seen = new Set();
    this.update = () => this.#watch();
    jobs.addEventListener("change", this.update);
    this.looking = new IntersectionObserver(([entry]) => entry.isIntersecting && this.load(true));
    this.looking.observe(this);
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
    this.looking.disconnect();
  }

  // A job that ended, of anybody, may have changed the voices.
  #watch() {
    const ended = jobs.list.filter((job) => MAKES.includes(job.verb) && ENDED.includes(job.state));
    const news = ended.filter((job) => !this.seen.has(job.id));
    for (const job of news) this.seen.add(job.id);
    if (news.length && this.checkVisibility()) this.load(true);
  }

  async load(fresh = false) {
    try {
      [this.cards, this.gone] = await Promise.all([cards(fresh), ask("voices/trash")]);
      this.#show();
    } catch (error) {
      this.tell("bad", error.message);
    }
  }

  tell(kind, text, ...more) {
    const box = make("div", `notice ${kind}`);
    box.append(make("p", "", text), ...more);
    this.told.replaceChildren(box);
  }

  #tools() {
    const row = make("div", "voice-tools");
    this.search = make("input", "voice-search", "", { type: "search", placeholder: T("Search"), "aria-label": T("Search") });
    this.search.addEventListener("input", () => this.#show());
    const order = make("select", "voice-order", "", { "aria-label": T("Order") });
    for (const [name, [title]] of Object.entries(ORDERS)) order.append(new Option(title, name, false, name === this.order));
    order.addEventListener("change", () => {
      this.order = order.value;
      localStorage.setItem("voice.order", this.order);
      this.#show();
    });
    this.count = make("span", "hint");
    row.append(this.search, order, this.count);
    return row;
  }

  #incoming() {
    const box = make("div", "voice-incoming");
    const file = make("input", "", "", { type: "file", multiple: "", hidden: "", accept: ".pth,.index,.safetensors,.onnx,.zip" });
    file.addEventListener("change", () => this.#take([...file.files]).then(() => (file.value = "")));
    const form = make("form");
    const source = make("input", "", "", { type: "text", placeholder: T("Link or folder"), "aria-label": T("Link or folder") });
    form.append(source, make("button", "plain", T("Get"), { type: "submit" }));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (source.value.trim()) this.#bring(source.value.trim()).then((done) => done && (source.value = ""));
    });
    box.append(make("span", "grow", T("Drop a voice here: .pth, .index, .safetensors or .zip")), button(T("Choose files"), "plain", () => file.click()), file, form);
    for (const [name, over] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
      this.addEventListener(name, (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        box.classList.toggle("over", over);
        if (name === "drop") this.#take([...event.dataTransfer.files]);
      });
    }
    return box;
  }

  // Send files to the server, all into one folder, and take in the voices among them.
  async #take(files) {
    if (!files.length) return;
    const drop = `${Date.now()}`;
    try {
      let answer;
      for (const file of files) {
        this.tell("quiet", `${file.name} …`);
        const name = `name=${encodeURIComponent(file.name)}&drop=${drop}`;
        answer = await ask(`voices/files?${name}`, { method: "POST", body: file });
      }
      await this.#bring(files.length === 1 ? answer.path : answer.folder);
    } catch (error) {
      this.tell("bad", error.message);
    }
  }

  async #bring(source) {
    try {
      const seen = (job) => this.tell("quiet", job.note || T("Getting ready…"));
      const done = await work("import-voice", { source }, seen);
      this.tell("good", done.message);
      await this.load(true);
      return true;
    } catch (error) {
      this.tell("bad", error.message);
      return false;
    }
  }

  #show() {
    const all = this.cards ?? [];
    const tags = [...new Set(all.flatMap((card) => card.tags))].sort();
    if (!tags.includes(this.tag)) this.tag = "";
    this.tags.replaceChildren(...tags.map((tag) => {
      const press = button(tag, "tag", () => ((this.tag = this.tag === tag ? "" : tag), this.#show()));
      press.setAttribute("aria-pressed", this.tag === tag);
      return press;
    }));
    const shown = all.filter((card) => fits(card, this.search.value) && (!this.tag || card.tags.includes(this.tag)));
    shown.sort(ORDERS[this.order]?.[1] ?? ORDERS.name[1]);
    this.count.textContent = shown.length === all.length ? `${all.length}` : `${shown.length} / ${all.length}`;
    const none = make("div", "notice empty");
    none.append(make("p", "", all.length ? T("Nothing is called so.") : T("There is no voice here yet.")));
    this.grid.replaceChildren(...(shown.length ? shown.map((card) => this.#card(card)) : [none]));
    this.#showTrash();
    const opened = this.details?.open && all.find((card) => card.name === this.details.card.name);
    if (opened) this.details.refresh(opened);
  }

  #card(card) {
    const [version] = card.versions;
    const box = make("article", "voice-card");
    const open = button("", "voice-open", () => this.open(card));
    open.append(portrait(card), make("b", "voice-name", card.name));
    const line = make("span", "hint", facts(version));
    const more = [version.index_path ? T("Index") : "", megabytes(version.bytes)];
    if (card.versions.length > 1) more.push(T("%1 versions").replace("%1", card.versions.length));
    if (version.similarity != null) more.push(`${T("Likeness")} ${Math.round(100 * version.similarity)} %`);
    else if (version.score != null) more.push(`${T("Score")} ${version.score.toFixed(2)}`);
    open.append(line, make("span", "hint", more.filter(Boolean).join(" · ")));
    const tags = make("span", "card-tags");
    tags.append(...card.tags.map((tag) => make("span", "tag", tag)));
    if (card.tags.length) open.append(tags);
    box.append(open, speaker(card, version, (error) => this.tell("bad", `${card.name}: ${error.message}`)));
    return box;
  }

  async open(card) {
    const { VoiceDetails } = await import("./voice-details.js");
    this.details ??= document.body.appendChild(new VoiceDetails());
    this.details.show(card, this);
  }

  // Delete a voice and offer to take that back.
  async remove(name) {
    this.tell("quiet", T("Deleting…"));
    try {
      await work("delete-voice", { model_name: name, confirm: name });
      this.tell("good", T("%1 was deleted.").replace("%1", name), button(T("Undo"), "plain undo", () => this.restore(name)));
    } catch (error) {
      this.tell("bad", error.message);
    }
    await this.load(true);
  }

  async restore(name) {
    this.tell("quiet", T("Restoring…"));
    try {
      this.tell("good", (await work("restore-voice", { model_name: name })).message);
    } catch (error) {
      this.tell("bad", error.message);
    }
    await this.load(true);
  }

  #showTrash() {
    this.trash.hidden = !this.gone.length;
    const rows = this.gone.map((entry) => {
      const row = make("div", "trash-row");
      const day = new Date(1000 * entry.kept_until_s).toLocaleDateString();
      row.append(make("b", "", entry.name), make("span", "hint grow", `${megabytes(entry.bytes)} · ${T("kept until")} ${day}`));
      row.append(button(T("Restore"), "plain", () => this.restore(entry.name)));
      return row;
    });
    const empty = button(T("Empty the trash"), "plain", async () => {
      if (empty.dataset.sure) return void work("empty-trash", {}).then((done) => (this.tell("good", done.message), this.load(true)), (error) => this.tell("bad", error.message));
      empty.dataset.sure = "yes";
      empty.textContent = T("Really delete for good?");
    });
    this.trash.replaceChildren(make("summary", "", `${T("Trash")} (${this.gone.length})`), ...rows, empty);
  }
}

customElements.define("voice-library", VoiceLibrary);
