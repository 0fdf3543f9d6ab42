// The sheet of earlier recordings and results: look, listen, choose, take away and bring back.

import { SOUND, T, button, fileUrl, make } from "./core.js";
import { factsOf, listing, remove, restore } from "./store.js";
import { verdict } from "./verdict.js";

// Opens the sheet; the chosen path, or undefined.
export async function earlier() {
  const sheet = make("dialog", "sheet", "", { "aria-label": T("Earlier recordings") });
  const search = make("input", "search", "", { type: "search", placeholder: T("Search"), "aria-label": T("Search") });
  const list = make("div", "rows");
  const head = make("div", "row");
  const close = button("✕", "plain icon", () => sheet.close());
  close.setAttribute("aria-label", T("Close"));
  head.append(make("h2", "grow", T("Earlier recordings")), search, close);
  const sound = make("audio");
  sheet.append(head, list, sound);
  document.body.append(sheet);
  let chosen;
  const choose = (path) => ((chosen = path), sheet.close());
  const { recordings } = await listing();
  const rows = recordings.map((one) => row(one, { sound, choose }));
  if (!rows.length) rows.push(make("p", "facts", T("Nothing has been recorded or made here yet.")));
  list.append(...rows);
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    rows.forEach((r) => (r.hidden = !r.textContent.toLowerCase().includes(wanted)));
  });
  sheet.addEventListener("click", (event) => event.target === sheet && sheet.close());
  sheet.showModal();
  await new Promise((closed) => sheet.addEventListener("close", closed));
  sheet.remove();
  return chosen;
}

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    factsOf(target.dataset.path).then((facts) => verdict(target.querySelector(".chip"), facts), () => {});
  }
});

// One recording as a row: name, length and verdict once it is in sight, play, remove.
export function row({ path, name, changed_s: changed }, { sound, choose, removed = () => {} }) {
  const line = make("div", "file-row", "", { "data-path": path });
  const when = new Date(1000 * changed).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  const title = choose ? button(name, "link grow", () => choose(path)) : make("span", "grow", name);
  const play = button("▶", "plain icon", () => {
    const same = sound.dataset.path === path && !sound.paused;
    sound.dataset.path = path;
    if (same) return sound.pause();
    sound.src = fileUrl(path);
    sound.play();
  });
  play.setAttribute("aria-label", `${T("Play")}: ${name}`);
  play.hidden = !SOUND.test(path);
  const away = button("✕", "plain icon", async () => {
    const undo = button(T("Undo"), "plain", async () => {
      await restore(token);
      line.replaceChildren(...whole);
      removed(line);
    });
    const whole = [...line.childNodes];
    const { token } = await remove(path).catch((error) => {
      line.append(make("p", "hint", error.message));
      return {};
    });
    if (!token) return;
    line.replaceChildren(make("span", "grow hint", `${T("Removed:")} ${name}`), undo);
    undo.focus();
    removed(line);
  });
  away.setAttribute("aria-label", `${T("Remove")}: ${name}`);
  line.append(play, title, make("span", "chip"), make("time", "hint", when), away);
  seen.observe(line);
  return line;
}
