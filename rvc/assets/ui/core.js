// What every live element of the page shares: texts, requests, formatting and one poll of all jobs.

const words = JSON.parse(document.getElementById("voice-texts")?.textContent ?? "{}");
export const T = (text) => words[text] ?? text;

// Addresses are relative to where this file came from: right behind a proxy with a path of its own.
const ROOT = new URL("..", import.meta.url);
export const apiUrl = (path) => new URL(`api/${path}`, ROOT).href;

export async function ask(path, options = {}) {
  const answer = await fetch(apiUrl(path), options);
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.message), { details: body });
  return body;
}

// Start a job; its result belongs to this tab.
export async function post(path, values) {
  const headers = { "content-type": "application/json" };
  const job = await ask(path, { method: "POST", headers, body: JSON.stringify(values) });
  began(job.id);
  return job;
}

// Jobs by who began them: this tab (its results), this browser (its list of results).
const TAB = [sessionStorage, "voice.jobs"];
const BROWSER = [localStorage, "voice.jobs"];
const ids = ([store, key]) => JSON.parse(store.getItem(key) ?? "[]");
export const ours = () => new Set(ids(TAB));
export const everOurs = () => new Set(ids(BROWSER));

export function began(job) {
  for (const [store, key] of [TAB, BROWSER]) {
    const all = [job, ...ids([store, key]).filter((id) => id !== job)];
    store.setItem(key, JSON.stringify(all.slice(0, 200)));
  }
  window.voice.poke();
}

export function make(tag, className = "", text = "", attributes = {}) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function button(text, className, act) {
  const element = make("button", className, text, { type: "button" });
  element.addEventListener("click", act);
  return element;
}

export function duration(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${s % 60} s`;
  return `${Math.floor(s / 3600)} h ${Math.floor((s % 3600) / 60)} min`;
}

export const fileUrl = (path) => apiUrl("files/" + path.split("/").map(encodeURIComponent).join("/"));
export const baseName = (path) => path.split(/[\\/]/).pop();
const facts = JSON.parse(document.getElementById("voice-facts")?.textContent ?? "{}");
export const SOUND = { test: (path) => (facts.played ?? []).includes(/\.[^.]*$/.exec(path)?.[0].toLowerCase()) };
export const ENDED = ["done", "failed", "cancelled"];
export const STAGES = {
  preprocess: "Cut recordings",
  extract: "Pitch and features",
  train: "Training",
  index: "Index",
};
export const TRAINING = ["create-voice", ...Object.keys(STAGES)];
export const runs = (job) => Boolean(job) && !ENDED.includes(job.state);

// Which stage of a training a job is at; "" before it has said so.
export const stageOf = (job) =>
  job.verb in STAGES ? job.verb : Object.keys(STAGES).find((name) => job.note.startsWith(name)) ?? "";

const PATIENCE_MS = 30000; // then the server is said not to answer

class Jobs extends EventTarget {
  list = [];
  known = false; // whether the server has answered once
  lost = false;
  #timer = null;
  #asking = false;
  #again = false;

  // One question at a time: who asks during an answer is answered by the next, which follows at once.
  async refresh() {
    clearTimeout(this.#timer);
    this.#again = this.#asking;
    if (this.#asking) return;
    this.#asking = true;
    try {
      this.list = await ask("jobs?limit=60", { signal: AbortSignal.timeout(PATIENCE_MS) });
      this.known = true;
      this.lost = false;
    } catch {
      this.lost = true;
    }
    this.#asking = false;
    const wait = this.#again ? 0 : this.#wait();
    if (wait !== null) this.#timer = setTimeout(() => this.refresh(), wait);
    this.dispatchEvent(new Event("change"));
  }

  // Until the next look, in ms; null where nobody is looking and nothing is under way.
  #wait() {
    const busy = this.list.some(runs);
    if (document.hidden) return busy ? 10000 : null;
    if (this.lost) return 2000;
    return busy ? 1000 : 6000;
  }
}

export const jobs = new Jobs();
document.addEventListener("visibilitychange", () => document.hidden || jobs.refresh());
window.voice = { poke: () => setTimeout(() => jobs.refresh(), 50), began };
