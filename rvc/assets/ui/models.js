// <missing-models sets="…">: what has still to be downloaded for the best quality, and one button.

import { T, ask, button, jobs, make, post, runs } from "./core.js";

const SETS = {
  predictors: "Pitch (rmvpe, fcpe)",
  "predictors/rmvpe": "Pitch (rmvpe)",
  "embedders/contentvec": "Content (contentvec)",
  "pretraineds/hifi-gan": "Base models for training",
};

const needed = (set, { f0_method: pitch, embedder_model: content, vocoder, pretrained }) =>
  ({
    "predictors/rmvpe": pitch?.includes("rmvpe"),
    "embedders/contentvec": content === "contentvec",
    "pretraineds/hifi-gan": vocoder === "HiFi-GAN" && pretrained !== false,
  })[set];

class MissingModels extends HTMLElement {
  connectedCallback() {
    this.update = () => this.#watch();
    jobs.addEventListener("change", this.update);
    this.saved = ({ detail }) => detail.key === this.getAttribute("form") && this.#load();
    window.addEventListener("voice-saved", this.saved);
    this.#load();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
    window.removeEventListener("voice-saved", this.saved);
  }

  // The absent files of a set; where a form is named, those that its values need.
  #absent(set, rows) {
    const absent = rows.filter((row) => !row.present && row.name.startsWith(set));
    if (!this.hasAttribute("form")) return absent;
    const values = window.voice.values?.(this.getAttribute("form")) ?? {};
    if (!needed(set, values)) return [];
    const rate = `${values.sample_rate / 1000}k`;
    return set.startsWith("pretraineds") ? absent.filter((row) => row.name.includes(rate)) : absent;
  }

  get job() {
    return jobs.list.find((job) => job.verb === "assets" && job.params.action === "download");
  }

  #watch() {
    const now = `${this.job?.id} ${this.job?.state}`;
    if (now === this.seen) return;
    this.seen = now;
    this.#load();
  }

  async #load() {
    const asked = (this.asked = Symbol());
    const rows = await ask("models").catch(() => []);
    if (asked !== this.asked) return; // a later answer counts
    const absent = (this.getAttribute("sets") ?? "")
      .split(" ")
      .map((set) => [set, this.#absent(set, rows)])
      .filter(([, files]) => files.length);
    this.replaceChildren(...(absent.length ? this.#card(absent) : []));
  }

  #card(absent) {
    const card = make("div", "notice models");
    card.append(make("p", "strong", T("Some model files are not here yet.")));
    const list = make("ul");
    for (const [set, files] of absent) {
      const bytes = files.reduce((sum, file) => sum + (file.size ?? 0), 0);
      list.append(make("li", "", `${T(SETS[set] ?? set)} · ${Math.round(bytes / 1e6)} MB`));
    }
    card.append(list, make("p", "hint", T("Without them only what ships with the program can be used.")));
    if (runs(this.job)) {
      card.append(make("job-panel", "", "", { verbs: "assets", everybodys: "" }));
      return [card];
    }
    const get = button(T("Download"), "plain", async () => {
      get.disabled = true;
      const what = absent.flatMap(([, files]) => files.map((file) => file.name));
      const asked = post("assets", { action: "download", what });
      await asked.catch((error) => card.append(make("p", "hint", error.message)));
      jobs.refresh();
    });
    card.append(get);
    if (this.job?.state === "failed") card.append(make("job-panel", "", "", { verbs: "assets", everybodys: "" }));
    return [card];
  }
}

// <model-status>: in the header, while model files for the best quality are absent: how much, and a sheet to get them.
class ModelStatus extends HTMLElement {
  connectedCallback() {
    this.place = make("span");
    this.replaceChildren(this.place); // the sheet stands beside it and stays when it changes
    this.update = () => this.#watch();
    jobs.addEventListener("change", this.update);
    this.#look();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
  }

  #watch() {
    const job = jobs.list.find((one) => ["assets", "prerequisites"].includes(one.verb));
    const now = `${job?.id} ${job?.state}`;
    if (now !== this.seen && this.seen !== undefined) this.#look();
    this.seen = now;
  }

  async #look() {
    const [rows, { chosen, instead }] = await Promise.all([ask("models"), ask("ready")]).catch(() => [[], {}]);
    const wanted = Object.keys(SETS).filter((set) => set !== "predictors");
    const absent = rows.filter((row) => !row.present && wanted.some((set) => row.name.startsWith(set)));
    if (!absent.length) return this.place.replaceChildren();
    const bytes = absent.reduce((sum, file) => sum + (file.size ?? 0), 0);
    const text = `${T("Better models")} · ${Math.round(bytes / 1e6)} MB`;
    this.place.replaceChildren(button(text, "plain small", () => this.#open(wanted, chosen ?? {}, instead ?? {})));
  }

  #open(wanted, chosen, instead) {
    const sheet = make("dialog", "sheet", "", { "aria-label": T("Better models") });
    const head = make("div", "row");
    const close = button("✕", "plain icon", () => sheet.close());
    close.setAttribute("aria-label", T("Close"));
    head.append(make("h2", "grow", T("Better models")), close);
    const swaps = Object.keys(instead).map((name) => `${instead[name]} → ${chosen[name]}`).join(", ");
    const note = make("p", "facts", `${T("Not downloaded yet, so another is chosen:")} ${swaps}`);
    sheet.append(head, ...(swaps ? [note] : []), make("missing-models", "", "", { sets: wanted.join(" ") }));
    sheet.addEventListener("close", () => sheet.remove());
    sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
    this.append(sheet);
    sheet.showModal();
  }
}

customElements.define("missing-models", MissingModels);
customElements.define("model-status", ModelStatus);
