// <takes-list verbs="infer tts" sound="{…}">: the results of this browser: play, compare, use again, download.
//
// Its value is the job whose settings are wanted again.

import { SOUND, T, baseName, button, everOurs, fileUrl, jobs, make } from "./core.js";

const SHOWN = 12;

class TakesList extends HTMLElement {
  value = null;
  #compared = [];

  connectedCallback() {
    this.verbs = this.getAttribute("verbs").split(" ");
    const { usual, labels } = JSON.parse(this.getAttribute("sound"));
    Object.assign(this, { usual, labels });
    this.sound = make("audio");
    this.sound.addEventListener("pause", () => this.#marks());
    this.sound.addEventListener("play", () => this.#marks());
    this.update = () => this.#load();
    jobs.addEventListener("change", this.update);
    this.#load();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
    this.sound.pause();
  }

  get takes() {
    const own = everOurs();
    const made = jobs.list.filter((job) => own.has(job.id) && this.verbs.includes(job.verb) && job.state === "done");
    return made.filter((job) => SOUND.test(job.result?.output_path ?? "")).slice(0, SHOWN);
  }

  #load() {
    const takes = this.takes;
    const text = takes.map((job) => job.id).join(" ");
    if (text === this.text) return;
    this.text = text;
    this.#compared = this.#compared.filter((id) => takes.some((job) => job.id === id));
    if (takes.length < 2) return this.replaceChildren(); // the only one is the result above
    this.pair = make("div", "pair");
    const rows = make("div", "rows");
    rows.append(...takes.map((job) => this.#row(job)));
    this.replaceChildren(make("h3", "", T("Results so far")), rows, this.pair, this.sound);
    this.#marks();
  }

  #row(job) {
    const output = job.result.output_path;
    const name = baseName(output);
    const row = make("div", "result-row", "", { "data-job": job.id });
    const play = button("▶", "plain icon play-take", () => {
      const mine = this.sound.dataset.job === job.id;
      if (mine && !this.sound.paused) return this.sound.pause();
      if (!mine) this.sound.src = fileUrl(output);
      this.sound.dataset.job = job.id;
      this.sound.play();
    });
    play.setAttribute("aria-label", `${T("Play")}: ${name}`);
    const words = make("div", "grow");
    const chips = make("div", "chips");
    chips.append(...this.#differences(job.params).map((text) => make("span", "tag", text)));
    words.append(make("p", "strong", name), chips);
    const compare = button(T("Compare"), "plain small", () => this.#compare(job.id));
    compare.dataset.compare = "";
    const again = button(T("Use these settings"), "plain small", () => this.use(job.id));
    const link = make("a", "download", T("Download"), { href: fileUrl(output), download: name });
    const acts = make("div", "row");
    acts.append(compare, again, link);
    row.append(play, words, acts);
    return row;
  }

  // Take up the settings that a job was done with.
  use(id) {
    this.value = `${id} ${Date.now()}`; // also twice in a row
    this.dispatchEvent(new Event("value-changed"));
  }

  // What of a take was not as usual, in short words.
  #differences(params) {
    return Object.entries(this.usual).flatMap(([name, usual]) => {
      const value = params[name];
      if (value === undefined || value === null || value === usual) return [];
      if (name === "pitch") return [`${value > 0 ? "+" : ""}${value} st`];
      if (value === true) return [this.labels[name]];
      const owner = Object.keys(this.usual).find((key) => name.startsWith(`${key}_`) && this.usual[key] === false);
      if (owner && params[owner] !== true) return []; // of an effect that was not on
      return [`${this.labels[name]} ${value}`];
    });
  }

  #compare(id) {
    const has = this.#compared.includes(id);
    this.#compared = has ? this.#compared.filter((one) => one !== id) : [...this.#compared, id].slice(-2);
    this.#marks();
    const [a, b] = this.#compared.map((one) => jobs.list.find((job) => job.id === one).result.output_path);
    if (!b) return this.pair.replaceChildren();
    const names = [a, b].map(baseName).join("|");
    this.pair.replaceChildren(make("ab-player", "", "", { input: a, output: b, names }));
    this.pair.scrollIntoView({ block: "nearest" });
  }

  #marks() {
    for (const row of this.querySelectorAll(".result-row")) {
      const on = this.#compared.includes(row.dataset.job);
      row.querySelector("[data-compare]").setAttribute("aria-pressed", on);
      const plays = this.sound.dataset.job === row.dataset.job && !this.sound.paused;
      row.querySelector(".play-take").textContent = plays ? "❚❚" : "▶";
    }
  }
}

customElements.define("takes-list", TakesList);
