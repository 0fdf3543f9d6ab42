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
  jobs.dispatchEvent(new Event("change")); // it may be known already
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
document.documentElement.lang = facts.language ?? "en";
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

// When what the forms hold is another: a value was changed, or all of them are back after a reload.
export const FILLED = ["voice-saved", "voice-loaded"];

const AGAIN_MS = 2000; // until a lost server is tried again
const AWAY_MS = 10000; // between looks at work that goes on while nobody looks at the page

// All jobs, as the server tells of them. A page in view listens to one stream; one out of sight only
// looks now and then, and only while something is under way: browsers keep few connections.
class Jobs extends EventTarget {
  list = [];
  known = false; // whether the server has answered once
  lost = false;
  #stream = null;
  #timer = null;

  refresh() {
    clearTimeout(this.#timer);
    if (document.hidden) return this.#look();
    if (!this.#stream) this.#listen();
  }

  #listen() {
    const stream = (this.#stream = new EventSource(apiUrl("events")));
    const on = (name, change) =>
      stream.addEventListener(name, ({ data }) => this.#tell(change(JSON.parse(data))));
    on("jobs", (all) => all);
    on("job", (job) => {
      const known = this.list.some((one) => one.id === job.id);
      return known ? this.list.map((one) => (one.id === job.id ? job : one)) : [job, ...this.list];
    });
    on("gone", (id) => this.list.filter((job) => job.id !== id));
    stream.addEventListener("error", () => {
      this.#leave();
      this.#tell(null);
      this.#timer = setTimeout(() => this.refresh(), AGAIN_MS);
    });
  }

  #leave() {
    this.#stream?.close();
    this.#stream = null;
  }

  async #look() {
    this.#leave();
    this.#tell(await ask("jobs?limit=60").catch(() => null));
    if (document.hidden && this.list.some(runs)) this.#timer = setTimeout(() => this.refresh(), AWAY_MS);
  }

  #tell(list) {
    this.lost = list === null;
    this.known ||= !this.lost;
    this.list = list ?? this.list;
    this.dispatchEvent(new Event("change"));
  }

  // Seen again: listen; out of sight: only look on while something is under way.
  turn() {
    clearTimeout(this.#timer);
    if (!document.hidden) return this.refresh();
    this.#leave();
    if (this.list.some(runs)) this.#timer = setTimeout(() => this.refresh(), AWAY_MS);
  }
}

export const jobs = new Jobs();
document.addEventListener("visibilitychange", () => jobs.turn());
window.voice = { began };

// Scripts of elements that few visits need are fetched when the first such element appears.
const later = new Map(Object.entries(facts.later ?? {}));
function fetchNeeded() {
  for (const [tag, file] of later) {
    if (!document.querySelector(tag)) continue;
    later.delete(tag);
    import(new URL(file, import.meta.url));
  }
}
let due = false;
new MutationObserver(() => {
  if (due || !later.size) return;
  due = true;
  setTimeout(() => ((due = false), fetchNeeded()));
}).observe(document.documentElement, { childList: true, subtree: true });
fetchNeeded();
