// The address says where one is: #/inference, #/training/anna/run. Back, reload and bookmarks work by it.

const STEPS = ["recordings", "settings", "run", "result"];
const MOVED = { train: "training", blender: "voices", download: "voices", convert: "inference" }; // of other versions

const place = () => location.hash.replace(/^#\//, "").split("/").map(decodeURIComponent);
const button = (tab) => document.getElementById(`tab-${tab}-button`);

// Where the address leads: { tab, name, step }; tab is null where it says nothing.
export function goal() {
  const [wanted, name = "", step = ""] = place();
  const tab = wanted ? (button(wanted) ? wanted : (MOVED[wanted] ?? wanted)) : null;
  return { tab, name, step: STEPS.indexOf(step) + 1 };
}

// Put down where one is; a new entry only where that is another place.
export function note(tab, change = {}) {
  const old = goal();
  const kept = old.tab === tab ? old : {};
  const { name = "", step = 0 } = { ...kept, ...change };
  const parts = tab === "training" ? [tab, name || (step ? "-" : ""), step ? STEPS[step - 1] : ""] : [tab];
  const hash = `#/${parts.filter(Boolean).map(encodeURIComponent).join("/")}`;
  if (hash === location.hash) return;
  history.pushState(null, "", hash);
}

// A bookmark of a voice in the making names it before the forms are filled.
const first = goal();
if (first.tab === "training" && first.name && first.name !== "-") {
  const key = "voice.form.training";
  const kept = JSON.parse(localStorage.getItem(key) ?? "{}");
  localStorage.setItem(key, JSON.stringify({ ...kept, model_name: first.name }));
}
const kept = /^tab-(.+)-button$/.exec(sessionStorage.getItem("voice.tab") ?? "")?.[1];
if (!first.tab) history.replaceState(null, "", `#/${kept ?? "inference"}`);
if (first.tab) sessionStorage.setItem("voice.tab", `tab-${first.tab}-button`);
if (first.step) sessionStorage.setItem("voice.step", first.step);

window.addEventListener("popstate", () => {
  const { tab, step } = goal();
  if (!tab) return;
  const chosen = button(tab);
  if (chosen?.getAttribute("aria-selected") !== "true") chosen?.click();
  if (tab === "training" && step) window.voice.step?.(step);
});

window.addEventListener("voice-saved", ({ detail: { key, name, value } }) => {
  if (key === "training" && name === "model_name" && goal().tab === "training") note("training", { name: value ?? "" });
});
