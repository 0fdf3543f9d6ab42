// Values people entered, kept in the browser; light or dark; moving between tabs.

import { T, ask, make } from "./core.js";

let chosen = {}; // by the server, where the usual model files are absent
const known = ask("ready").then((found) => (chosen = found.chosen), () => {});

// Until the lists are filled, nothing can be pressed: an answer on its way would undo the choice.
// The sign that says so stands beside what cannot be used, where a screen reader finds it.
const app = document.querySelector("gradio-app");
const sign = make("p", "loading", T("Loading…"), { role: "status" });
document.body.append(sign);
usable(false);
setTimeout(() => usable(true), 15000); // even where the answer never comes

function usable(on) {
  app.inert = !on;
  app.setAttribute("aria-busy", !on);
  sign.hidden = on;
}

const bag = (key) => {
  try {
    return JSON.parse(localStorage.getItem(`voice.form.${key}`)) ?? {};
  } catch {
    return {};
  }
};

Object.assign(window.voice, {
  save(key, name, value) {
    if (bag(key)[name] === undefined && chosen[name] === value) return; // not chosen by a person
    localStorage.setItem(`voice.form.${key}`, JSON.stringify({ ...bag(key), [name]: value }));
    window.dispatchEvent(new CustomEvent("voice-saved", { detail: { key, name, value } }));
  },
  value: (key, name) => bag(key)[name],
  async restore(forms, now) {
    await known;
    const instead = (name, value) => (value === "auto" ? undefined : chosen[name]);
    const as_is = { __type__: "update" }; // what Gradio takes for "no change"
    const fields = Object.entries(forms).flatMap(([key, names]) => {
      const kept = bag(key);
      return names.map((name) => [name, kept[name]]);
    });
    return fields.map(([name, kept], i) => kept ?? instead(name, now[i]) ?? as_is);
  },
  loaded() {
    usable(true);
    document.documentElement.dataset.loaded = "";
  },
  open(tab) {
    document.getElementById(`tab-${tab}-button`)?.click();
    window.scrollTo({ top: 0 });
  },
});

// A reload, also the one after the server was restarted, comes back to the same tab. A click before
// the page is wired is lost, so it is repeated until the tab has been the chosen one for a while.
async function comeBack() {
  for (let tries = 0, held = 0; held < 10 && tries < 200; tries++) {
    const tab = document.getElementById(sessionStorage.getItem("voice.tab") ?? "");
    const chosen = tab?.getAttribute("aria-selected") === "true";
    held = chosen ? held + 1 : 0;
    if (tab && !chosen) tab.click();
    await new Promise((next) => setTimeout(next, 50));
  }
}
comeBack();

function dark(on) {
  document.body.classList.toggle("dark", on);
  document.documentElement.style.colorScheme = on ? "dark" : "light";
}

const wanted = () => localStorage.getItem("voice.theme");
const applyTheme = () => wanted() && dark(wanted() === "dark");
new MutationObserver(applyTheme).observe(document.documentElement, { childList: true, subtree: false });
applyTheme();
window.addEventListener("load", () => setTimeout(applyTheme, 0));

// Gradio heads every message "Error"; ours say what happened, so their heading need not.
new MutationObserver(() => {
  for (const title of document.querySelectorAll(".toast-title")) {
    if (title.textContent.trim() === "Error") title.textContent = T("That did not work");
  }
}).observe(document.body, { childList: true, subtree: true });

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("#nav > .tab-wrapper button[role=tab]");
  if (tab) sessionStorage.setItem("voice.tab", tab.id);
  const target = event.target.closest?.(".theme-toggle, [data-open]");
  if (!target) return;
  if (target.dataset.open) return window.voice.open(target.dataset.open);
  const next = document.body.classList.contains("dark") ? "light" : "dark";
  localStorage.setItem("voice.theme", next);
  applyTheme();
});
