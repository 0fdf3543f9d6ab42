// What every place that shows voices shares: the list of them, their pictures, and how they sound.
// <voice-face pth="…">: picture of the voice with this file; a press lets it speak.

import { T, apiUrl, ask, button, jobs, make, post, runs } from "./core.js";

const FRESH_MS = 3000;
let asked = { at: -Infinity, cards: Promise.resolve([]) };

// The cards of all voices, at most three seconds old unless a fresh list is asked for.
export function cards(fresh = false) {
  if (fresh || performance.now() - asked.at > FRESH_MS) {
    asked = { at: performance.now(), cards: ask("voices/cards") };
    asked.cards.catch(() => (asked.at = -Infinity));
  }
  return asked.cards;
}

export const versionOf = (all, pth) => {
  for (const card of all) {
    const version = card.versions.find((one) => one.pth_path === pth || one.name === pth);
    if (version) return { card, version };
  }
  return null;
};

// The end of the job that an address starts: its result, or an error with the sentence that says
// why. `seen` hears of each change.
export async function work(path, values, seen = () => {}) {
  const { id } = await post(path, values);
  jobs.refresh();
  return new Promise((resolve, reject) => {
    const look = () => {
      const job = jobs.list.find((one) => one.id === id);
      if (!job) return;
      seen(job);
      if (runs(job)) return;
      jobs.removeEventListener("change", look);
      const said = [job.error?.message, job.error?.hint].filter(Boolean).join(" ");
      if (job.state === "done") resolve(job.result);
      else reject(new Error(said || T("That did not work")));
    };
    jobs.addEventListener("change", look);
  });
}

// One line of facts: 24 kHz · lite · epoch 3.
export function facts(version) {
  const hz = Number.parseFloat(version.sr) * (/k$/i.test(version.sr ?? "") ? 1000 : 1);
  const parts = [hz ? `${hz / 1000} kHz` : "", version.vocoder, version.epoch ? `${T("epoch")} ${version.epoch}` : ""];
  return parts.filter(Boolean).join(" · ");
}

export const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

function hash(text) {
  let h = 2166136261;
  for (const letter of text) h = Math.imul(h ^ letter.codePointAt(0), 16777619);
  return () => ((h = Math.imul(h ^ (h >>> 15), 2246822507) ^ (h >>> 13)) >>> 0) / 2 ** 32;
}

// A picture for a voice that has none, always the same for a name.
export function pattern(name) {
  const random = hash(name);
  const hue = Math.floor(360 * random());
  const bars = Array.from({ length: 9 }, (_, i) => {
    const height = 14 + 62 * random() * Math.sin((Math.PI * (i + 1)) / 10);
    return `<rect x="${10 + i * 9}" y="${50 - height / 2}" width="5" height="${height}" rx="2.5"/>`;
  });
  const shine = `<circle cx="${100 * random()}" cy="${100 * random()}" r="${25 + 30 * random()}" fill="hsl(${hue + 50} 60% 62%)" opacity=".55"/>`;
  return `<svg viewBox="0 0 100 100" preserveAspectRatio="xMidYMid slice" aria-hidden="true"><rect width="100" height="100" fill="hsl(${hue} 42% 42%)"/>${shine}<g fill="#fff" opacity=".9">${bars.join("")}</g></svg>`;
}

export function portrait(card) {
  const frame = make("span", "portrait");
  if (card.picture) {
    const address = `${apiUrl(`voices/${encodeURIComponent(card.name)}/picture`)}?${card.picture}`;
    frame.append(make("img", "", "", { src: address, alt: "", loading: "lazy", decoding: "async" }));
  } else frame.innerHTML = pattern(card.name);
  return frame;
}

const sound = new Audio();
let playing = null; // the button whose voice is heard

function still() {
  if (playing) {
    playing.dataset.state = "";
    playing.setAttribute("aria-pressed", "false");
  }
  playing = null;
}
for (const name of ["ended", "pause", "error"]) sound.addEventListener(name, still);

// A button that lets a voice speak; what it says is rendered the first time. `failed` hears why not.
export function speaker(card, version, failed = () => {}) {
  const press = button("", "voice-play", async (event) => {
    event.stopPropagation();
    if (playing === press) return sound.pause();
    sound.pause();
    if (press.dataset.state === "making") return;
    try {
      if (!version.sample) {
        press.dataset.state = "making";
        const { pth_path, index_path } = version;
        await work("voice-sample", { pth_path, index_path });
        version.sample = true;
      }
      sound.src = apiUrl(`voices/sample?pth_path=${encodeURIComponent(version.pth_path)}`);
      playing = press;
      await sound.play();
      if (playing !== press) return;
      press.dataset.state = "playing";
      press.setAttribute("aria-pressed", "true");
    } catch (error) {
      if (playing === press) still();
      press.dataset.state = "";
      if (error.name !== "AbortError") failed(error); // another one was pressed meanwhile
    }
  });
  press.innerHTML = '<svg viewBox="0 0 24 24" aria-hidden="true"><path class="go" d="M8 5v14l11-7z"/><path class="halt" d="M7 5h4v14H7zM13 5h4v14h-4z"/></svg>';
  press.setAttribute("aria-label", `${T("Listen")}: ${card.name}`);
  press.setAttribute("aria-pressed", "false");
  press.title = T("Listen");
  return press;
}

class VoiceFace extends HTMLElement {
  static observedAttributes = ["pth"]; // the page is changed in place

  async attributeChangedCallback(name, before, pth) {
    const found = versionOf(await cards().catch(() => []), pth);
    if (!found || pth !== this.getAttribute("pth")) return;
    const told = make("p", "hint", "", { role: "status" });
    const failed = (error) => (told.textContent = error.message);
    this.replaceChildren(portrait(found.card), speaker(found.card, found.version, failed), told);
  }
}

customElements.define("voice-face", VoiceFace);
