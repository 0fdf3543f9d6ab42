// Values people entered, kept in the browser; light or dark; moving between tabs.

const bag = (key) => {
  try {
    return JSON.parse(localStorage.getItem(`voice.form.${key}`)) ?? {};
  } catch {
    return {};
  }
};

Object.assign(window.voice, {
  save(key, name, value) {
    localStorage.setItem(`voice.form.${key}`, JSON.stringify({ ...bag(key), [name]: value }));
    window.dispatchEvent(new CustomEvent("voice-saved", { detail: { key, name, value } }));
  },
  value: (key, name) => bag(key)[name],
  restore(key, names, now) {
    const kept = bag(key);
    return names.map((name, i) => (kept[name] === undefined ? now[i] : kept[name]));
  },
  open(tab) {
    document.getElementById(`tab-${tab}-button`)?.click();
    window.scrollTo({ top: 0 });
  },
});

function dark(on) {
  document.body.classList.toggle("dark", on);
  document.documentElement.style.colorScheme = on ? "dark" : "light";
}

const chosen = () => localStorage.getItem("voice.theme");
const applyTheme = () => chosen() && dark(chosen() === "dark");
new MutationObserver(applyTheme).observe(document.documentElement, { childList: true, subtree: false });
applyTheme();
window.addEventListener("load", () => setTimeout(applyTheme, 0));

document.addEventListener("click", (event) => {
  const target = event.target.closest?.(".theme-toggle, [data-open]");
  if (!target) return;
  if (target.dataset.open) return window.voice.open(target.dataset.open);
  const next = document.body.classList.contains("dark") ? "light" : "dark";
  localStorage.setItem("voice.theme", next);
  applyTheme();
});
