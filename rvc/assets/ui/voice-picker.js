// Choose a voice from small cards: `await window.voice.pickVoice(path)` answers with a path.

import { T, button, make } from "./core.js";
import { cards, facts, portrait, speaker, versionOf } from "./voice-face.js";

let dialog = null;

// A dialog with all voices; answers with the path of the one that was pressed, or with `now`.
export async function pickVoice(now) {
  dialog ??= document.body.appendChild(make("dialog", "voice-picker", "", { "aria-label": T("Choose a voice") }));
  const all = await cards(true);
  const search = make("input", "voice-search", "", { type: "search", placeholder: T("Search"), "aria-label": T("Search") });
  const grid = make("div", "small-cards");
  const chosen = versionOf(all, now)?.version.pth_path;
  const show = () => {
    const rows = all.flatMap((card) => card.versions.map((version) => ({ card, version })));
    grid.replaceChildren(...rows.filter((row) => fits(row.card, search.value, row.version)).map((row) => small(row, chosen)));
    if (!grid.children.length) grid.append(make("p", "hint", T("Nothing is called so.")));
  };
  search.addEventListener("input", show);
  show();
  const head = make("div", "ab-row");
  head.append(make("h2", "", T("Choose a voice")), button("✕", "plain", () => dialog.close()));
  head.lastChild.setAttribute("aria-label", T("Close"));
  dialog.replaceChildren(head, search, grid);
  dialog.returnValue = "";
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.showModal();
  search.focus();
  return new Promise((resolve) => (dialog.onclose = () => resolve(dialog.returnValue || now)));
}

// Whether a voice has all the words of a search in its name, tags or facts.
export function fits(card, text, version = card.versions[0]) {
  const about = [card.name, version.name, ...card.tags, version.about, version.author].join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => about.includes(word));
}

function small({ card, version }, chosen) {
  const row = make("div", "small-card");
  const choose = button("", "small-choice", () => dialog.close(version.pth_path));
  choose.setAttribute("aria-pressed", version.pth_path === chosen);
  const words = make("span", "grow");
  words.append(make("b", "", version.name), make("span", "hint", facts(version)));
  choose.append(portrait(card), words);
  row.append(choose, speaker(card, version, (error) => words.lastChild.replaceChildren(error.message)));
  return row;
}

window.voice.pickVoice = pickVoice;
