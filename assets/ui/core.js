// What every live element of the page shares: texts, requests, formatting and one poll of all jobs.

const words = JSON.parse(document.getElementById("voice-texts")?.textContent ?? "{}");
export const T = (text) => words[text] ?? text;

export async function ask(path, options = {}) {
  const answer = await fetch(`/api/${path}`, options);
  const body = await answer.json();
  if (!answer.ok) throw Object.assign(new Error(body.message), { details: body });
  return body;
}

export const post = (path, values) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(values),
  });

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

export const fileUrl = (path) =>
  "/api/files/" + path.split("/").map(encodeURIComponent).join("/");
export const baseName = (path) => path.split(/[\\/]/).pop();
export const SOUND = /\.(wav|mp3|flac|ogg|opus|m4a)$/i;
export const ENDED = ["done", "failed", "cancelled"];
export const TRAINING = ["create-voice", "preprocess", "extract", "train", "index"];

class Jobs extends EventTarget {
  list = [];
  known = false; // whether the server has answered once
  lost = false;
  #timer = null;

  async refresh() {
    clearTimeout(this.#timer);
    let wait = 4000;
    try {
      this.list = await ask("jobs?limit=60");
      this.known = true;
      this.lost = false;
      if (this.list.some((job) => !ENDED.includes(job.state))) wait = 1000;
    } catch {
      this.lost = true;
      wait = 2000;
    }
    this.dispatchEvent(new Event("change"));
    this.#timer = setTimeout(() => this.refresh(), document.hidden ? 10000 : wait);
  }
}

export const jobs = new Jobs();
document.addEventListener("visibilitychange", () => document.hidden || jobs.refresh());
window.voice = { poke: () => setTimeout(() => jobs.refresh(), 50) };
