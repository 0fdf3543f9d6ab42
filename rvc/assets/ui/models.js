// <missing-models sets="…">: what has still to be downloaded for the best quality, and one button.

import { T, ask, button, jobs, make, post, runs } from "./core.js";

const SETS = {
  predictors: "Pitch (rmvpe, fcpe)",
  "predictors/rmvpe": "Pitch (rmvpe)",
  "embedders/contentvec": "Content (contentvec)",
  "pretraineds/hifi-gan": "Base models for training",
};

class MissingModels extends HTMLElement {
  connectedCallback() {
    this.update = () => this.#watch();
    jobs.addEventListener("change", this.update);
    this.#load();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
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
      .map((set) => [set, rows.filter((row) => !row.present && row.name.startsWith(set))])
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

// <ready-note names="…">: what the page chose because the usual model files are not here.
class ReadyNote extends HTMLElement {
  async connectedCallback() {
    const { chosen, instead } = await ask("ready").catch(() => ({ chosen: {}, instead: {} }));
    const names = (this.getAttribute("names") ?? "").split(" ").filter((name) => name in instead);
    if (!names.length) return;
    const swaps = names.map((name) => `${instead[name]} → ${chosen[name]}`).join(", ");
    const box = make("div", "notice lost");
    box.append(make("p", "", `${T("Not downloaded yet, so another is chosen:")} ${swaps}`));
    this.replaceChildren(box);
  }
}

customElements.define("missing-models", MissingModels);
customElements.define("ready-note", ReadyNote);
