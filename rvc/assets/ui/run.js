// <run-state verbs="infer">: beside the main button: what is still missing, how far it is, where the result is.
// And what a running job shows elsewhere: the tab's title, a message when a long one has ended.

import { FILLED, T, duration, jobs, make, button, ours, runs } from "./core.js";

const LONG_S = 60; // work after which one is somewhere else
const TITLE = document.title || T("Voice cloning");

class RunState extends HTMLElement {
  connectedCallback() {
    this.verbs = this.getAttribute("verbs").split(" ");
    this.text = make("span", "run-text", "", { "aria-live": "polite" });
    this.figures = make("span", "run-figures");
    this.bar = make("div", "job-bar-fill");
    const bar = make("div", "job-bar", "", { "aria-hidden": "true" });
    bar.append(this.bar);
    this.show = button(T("Show"), "plain small", () => this.#show());
    this.append(this.text, this.figures, bar, this.show);
    this.update = () => this.#update();
    jobs.addEventListener("change", this.update);
    for (const name of FILLED) window.addEventListener(name, this.update);
    this.#update();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
    for (const name of FILLED) window.removeEventListener(name, this.update);
  }

  get job() {
    const own = ours();
    return jobs.list.find((job) => own.has(job.id) && this.verbs.includes(job.verb));
  }

  #update() {
    const job = this.job;
    this.dataset.state = job?.state ?? "empty";
    const said = job ? words(job) : this.#missing();
    if (this.text.textContent !== said) this.text.textContent = said;
    this.figures.textContent = runs(job) ? figures(job) : "";
    this.bar.classList.toggle("unknown", runs(job) && !(job.total > 0));
    this.bar.style.width = job?.total > 0 ? `${(100 * job.done) / job.total}%` : "";
    this.show.hidden = !job;
  }

  #missing() {
    const form = this.getAttribute("form");
    const first = this.getAttribute("needs");
    if (!window.voice.values?.(form)) return "";
    if (!window.voice.value(form, first)) return first === "text" ? T("Write a text.") : T("Choose a recording.");
    return window.voice.value(form, "voice") ? T("Ready. Ctrl+Enter begins.") : T("Choose a voice.");
  }

  #show() {
    const panel = this.closest(".tabitem").querySelector("job-panel");
    panel.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
    panel.focus({ preventScroll: true });
  }
}

const words = (job) => {
  if (job.before > 0) return T("%1 before this one").replace("%1", job.before);
  const said = { done: T("Done."), failed: T("That did not work"), cancelled: T("Stopped.") };
  return said[job.state] ?? (job.note ? T("Working…") : T("Getting ready…"));
};

const figures = (job) => {
  const part = job.total > 0 ? `${Math.round((100 * job.done) / job.total)} %` : "";
  return [part, job.eta_s >= 1 ? duration(job.eta_s) : ""].filter(Boolean).join(" · ");
};

// The title of the browser's tab counts along; one that is out of sight says when a long job has ended.
let before = new Map();
jobs.addEventListener("change", () => {
  const own = ours();
  const mine = jobs.list.filter((job) => own.has(job.id));
  const now = mine.find(runs);
  document.title = now ? `${figures(now) || "…"} · ${TITLE}` : TITLE;
  for (const job of mine) {
    const long = Date.now() / 1000 - job.created_s > LONG_S;
    if (before.get(job.id) && !runs(job) && long) tell(job);
  }
  before = new Map(mine.map((job) => [job.id, runs(job)]));
});

function tell(job) {
  if (!document.hidden || window.Notification?.permission !== "granted") return;
  const said = (job.result?.message ?? job.error?.message ?? "").split("\n")[0];
  new Notification(`${words(job)} ${job.params.model_name ?? ""}`, { body: said, tag: job.id });
}

// Ctrl+Enter presses the main button of the tab in view.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  const main = [...document.querySelectorAll(".actions button.primary")].find((b) => b.checkVisibility());
  if (main && !main.disabled) main.click(), event.preventDefault();
});

customElements.define("run-state", RunState);
