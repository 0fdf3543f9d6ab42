// Values people entered, kept in the browser; light or dark; moving between tabs.

import { note } from "./address.js";
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

const MOVED = { blender: "voices", download: "voices" }; // tabs that are part of another by now

const live = {}; // what every form shows now, by form and name
const early = []; // what people changed before the forms were filled
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

Object.assign(window.voice, {
  save(key, names, values) {
    if (!live[key]) return void early.push([key, names, values]);
    const kept = bag(key);
    const changed = names.map((name, i) => [name, values[i]]).filter(([name, value]) => !same(live[key][name], value));
    if (!changed.length) return;
    Object.assign(live[key], Object.fromEntries(changed));
    localStorage.setItem(`voice.form.${key}`, JSON.stringify({ ...kept, ...Object.fromEntries(changed) }));
    for (const [name, value] of changed) {
      window.dispatchEvent(new CustomEvent("voice-saved", { detail: { key, name, value } }));
    }
  },
  value: (key, name) => (live[key] ?? bag(key))[name],
  values: (key) => live[key],
  async restore(forms, now) {
    await known;
    const as_is = { __type__: "update" }; // what Gradio takes for "no change"
    const left = [...now];
    for (const [key, names] of Object.entries(forms)) {
      live[key] = Object.fromEntries(names.map((name) => [name, left.shift()]));
    }
    for (const change of early) window.voice.save(...change);
    const instead = (name, value) => (value === "auto" ? undefined : chosen[name]);
    return Object.entries(forms).flatMap(([key, names]) => {
      const kept = bag(key);
      return names.map((name) => {
        const value = kept[name] ?? instead(name, live[key][name]);
        if (value === undefined || value === null) return as_is;
        live[key][name] = value;
        return value;
      });
    });
  },
  loaded() {
    usable(true);
    document.documentElement.dataset.loaded = "";
    window.dispatchEvent(new Event("voice-loaded"));
  },
  // Show the page in the language that was saved; everything entered is kept by the browser.
  async renew() {
    const { changed } = await ask("page", { method: "POST" });
    if (changed) location.reload();
  },
  open(tab) {
    document.getElementById(`tab-${MOVED[tab] ?? tab}-button`)?.click();
    window.scrollTo({ top: 0 });
  },
});

// A reload, also the one after the server was restarted, comes back to the same tab. A click before
// the page is wired is lost, so it is repeated until the tab has been the chosen one for a while.
async function comeBack() {
  for (let tries = 0, held = 0; held < 10 && tries < 200; tries++) {
    const tab = document.getElementById(sessionStorage.getItem("voice.tab")?.replace(/blender|download/, "voices") ?? "");
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

// Gradio heads every message "Error"; ours say what happened, so their heading need not. What they
// call by the command line's names is called by the page's, and the first of it is shown.
new MutationObserver(() => {
  for (const title of document.querySelectorAll(".toast-title")) {
    if (title.textContent.trim() === "Error") title.textContent = T("That did not work");
  }
  for (const toast of document.querySelectorAll("[data-testid=toast-text]:not([data-said])")) {
    toast.dataset.said = "";
    const wrong = [];
    const texts = document.createTreeWalker(toast, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
      texts.currentNode.nodeValue = texts.currentNode.nodeValue.replace(/--([a-z0-9-]+)(?=: )/g, (flag, name) => {
        const all = [...document.querySelectorAll(`.is-${name.replaceAll("-", "_")}`)];
        const control = all.find((one) => one.checkVisibility()) ?? all[0];
        if (control) wrong.push(control);
        return control?.querySelector("[data-testid=block-info], label > span")?.textContent.trim() || flag;
      });
    }
    wrong[0]?.scrollIntoView({ block: "center" });
    wrong[0]?.querySelector("input, textarea")?.focus({ preventScroll: true });
  }
}).observe(document.body, { childList: true, subtree: true });

document.addEventListener("click", (event) => {
  const tab = event.target.closest?.("#nav > .tab-wrapper button[role=tab]");
  if (tab) {
    sessionStorage.setItem("voice.tab", tab.id);
    note(tab.id.replace(/^tab-|-button$/g, ""));
  }
  const target = event.target.closest?.(".theme-toggle, [data-open]");
  if (!target) return;
  if (target.dataset.open) return window.voice.open(target.dataset.open);
  const next = document.body.classList.contains("dark") ? "light" : "dark";
  localStorage.setItem("voice.theme", next);
  applyTheme();
});

// The name of a parameter, as the command line and other programs spell it, is its tooltip.
document.addEventListener("mouseover", (event) => {
  const control = event.target.closest?.('[class*="is-"]');
  const name = /(?:^| )is-(\w+)/.exec(control?.className ?? "")?.[1];
  if (name && !control.title) control.title = name;
});
