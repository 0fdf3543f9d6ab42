// <voice-progress part="stages|files">: what has become of the voice named in the training form.

import { STAGES, T, ask, baseName, duration, fileUrl, jobs, make, runs, stageOf } from "./core.js";

const NAMES = Object.keys(STAGES);
const CURVES = [
  ["mel", "Sound (mel)"], ["kl", "Content (kl)"], ["fm", "Features (fm)"],
  ["g_norm", "Gradient, generator"], ["d_norm", "Gradient, discriminator"],
  ["norm_g", "Gradient, generator"], ["norm_d", "Gradient, discriminator"],
];

class VoiceProgress extends HTMLElement {
  connectedCallback() {
    this.update = () => this.#load();
    this.saved = (event) => event.detail.key === "training" && event.detail.name === "model_name" && this.#load();
    window.addEventListener("voice-saved", this.saved);
    jobs.addEventListener("change", this.update);
    this.#load();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
    window.removeEventListener("voice-saved", this.saved);
  }

  async #load() {
    const shown = document.querySelector("#tab-training job-panel")?.job;
    const name = shown?.params.model_name ?? window.voice.value?.("training", "model_name");
    const job = shown ?? jobs.list.find((j) => j.params.model_name === name);
    const still = `${name} ${job?.id} ${job?.state}`;
    if (still === this.still && !runs(job)) return;
    this.still = still;
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const facts = name ? await ask(`training/${encodeURIComponent(name)}`).catch(() => null) : null;
    if (turn < this.answered) return; // a later answer was quicker
    this.answered = turn;
    this.#show(facts, runs(job) ? job : null);
  }

  #show(facts, job) {
    const text = JSON.stringify([facts, job && stageOf(job)]);
    if (text === this.text) return;
    this.text = text;
    this.toggleAttribute("data-voice", Boolean(facts?.files.some((file) => file.endsWith(".pth"))));
    label("create", facts?.resumable ? T("Train on") : T("Create the voice"));
    const open = new Set([...this.querySelectorAll("details[open]")].map((d) => d.dataset.stage));
    this.replaceChildren(...(this.getAttribute("part") === "files" ? files(facts) : progress(facts, job)));
    for (const fold of this.querySelectorAll("details")) fold.open = open.has(fold.dataset.stage);
  }
}

function label(id, text) {
  const words = [...(document.getElementById(id)?.childNodes ?? [])].find((n) => n.nodeValue?.trim());
  if (words) words.nodeValue = text; // the node itself belongs to Gradio
}

// What an earlier run has left is no tick of the run that is under way.
function progress(facts, job) {
  const list = make("ol", "stages");
  const at = job ? NAMES.indexOf(stageOf(job)) : NAMES.length;
  NAMES.forEach((name, i) => {
    const old = i > at && job?.verb === "create-voice";
    const record = i === at || old ? undefined : facts?.stages.find((s) => s.name === name);
    list.append(stage(name, record, i === at));
  });
  const charts = make("div", "charts");
  for (const [key, title] of CURVES) {
    const points = facts?.curves[key];
    if (points?.length > 1) charts.append(chart(T(title), points, key === "mel" ? facts.best : null));
  }
  const newest = new Map((facts?.findings ?? []).map((f) => [f.rule, f])); // each is said once
  const found = [...newest.values()].map((f) => {
    const box = make("div", `notice ${{ error: "bad", warning: "lost" }[f.level] ?? "quiet"}`);
    box.append(make("p", "", f.sentence), make("p", "hint", f.hint ?? ""));
    return box;
  });
  return [...title(facts), list, ...found, charts, ...facts?.samples.slice(0, 1).map((one) => sample(one, T("Latest sample"))) ?? []];
}

const title = (facts) => (facts ? [make("h3", "", facts.name)] : []);

function sample(one, before = "") {
  const figure = make("figure");
  const name = heard(one);
  figure.append(make("figcaption", "", [before, name].filter(Boolean).join(" · ")));
  figure.append(make("mini-player", "", "", { src: fileUrl(one.path), name }));
  return figure;
}

// What is said in a sample: a stretch of a recording, what somebody else said, or one of many.
function heard({ recording, part, parts, unseen, number, epoch }) {
  const stretch = recording && parts > 1 ? `${recording} ${part} / ${parts}` : recording;
  const what = stretch ?? (unseen ? T("Words of another speaker") : T("Sample %1").replace("%1", number));
  return epoch ? `${what} · ${T("epoch")} ${epoch}` : what;
}

function stage(name, record, now) {
  const item = make("li", record ? "finished" : now ? "now" : "");
  if (now) item.setAttribute("aria-current", "true");
  const head = make("div", "stage-head");
  const said = record ? facts(record) : now ? T("under way") : T("not yet");
  head.append(make("b", "", T(STAGES[name])), make("span", "", said));
  item.append(head);
  const troubles = [
    ...(record?.failures ?? []).map((f) => `${f.file}: ${f.cause}`),
    ...(record?.warnings ?? []),
  ];
  if (troubles.length) {
    const fold = make("details");
    fold.dataset.stage = name;
    const list = make("ul");
    for (const trouble of troubles) list.append(make("li", "", trouble));
    fold.append(make("summary", record.failed ? "failed" : "", troubleTitle(record)), list);
    item.append(fold);
  }
  return item;
}

function facts(record) {
  const d = record.details;
  const parts = [];
  if (record.name === "preprocess" || record.name === "extract") parts.push(`${record.outputs} ${T("clips")}`);
  if (d.total_seconds) parts.push(duration(d.total_seconds));
  if (d.epoch) parts.push(`${T("epoch")} ${d.epoch}`);
  if (d.step) parts.push(`${T("step")} ${d.step}`);
  if (d.kept) parts.push(`${d.kept} ${T("vectors")}`);
  return parts.join(" · ") || "✓";
}

function troubleTitle(record) {
  const parts = [];
  if (record.failed) parts.push(`${record.failed} ${T("failed")}`);
  if (record.warnings.length) parts.push(`${record.warnings.length} ${T("warnings")}`);
  return parts.join(" · ");
}

// A curve; the save that was kept as the best so far is a line across it.
function chart(title, points, best) {
  const [width, height] = [300, 90];
  const values = points.map((p) => p[1]);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const [first, last] = [points[0][0], points[points.length - 1][0]];
  const across = (x) => (Math.min(1, Math.max(0, (x - first) / Math.max(1, last - first))) * width).toFixed(1);
  const path = points.map(([x, y], i) => {
    const top = height - 4 - ((y - low) / Math.max(1e-9, high - low)) * (height - 8);
    return `${i ? "L" : "M"}${across(x)} ${top.toFixed(1)}`;
  });
  const figure = make("figure");
  const now = values[values.length - 1];
  figure.append(make("figcaption", "", `${title} · ${now.toPrecision(3)}`));
  const mark = best ? `<path class="best" d="M${across(best.step)} 0V${height}"/>` : "";
  figure.insertAdjacentHTML(
    "beforeend",
    `<svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" aria-hidden="true">${mark}<path d="${path.join("")}"/></svg>`,
  );
  const axis = make("div", "axis");
  axis.append(make("span", "", `${T("step")} ${first}`), make("span", "", String(last)));
  figure.append(axis);
  if (best) {
    const score = best.score == null ? "" : ` · ${T("Score")} ${best.score.toFixed(3)} (${T("lower is better")})`;
    figure.append(make("p", "best-mark hint", `${T("Best so far")}: ${T("epoch")} ${best.epoch}${score}`));
  }
  return figure;
}

function files(facts) {
  if (!facts?.files.length) {
    const box = make("div", "notice empty");
    box.append(make("p", "", T("The voice appears here once it has been trained and saved.")));
    return [box];
  }
  const table = make("table", "files");
  for (const path of facts.files) {
    const row = table.insertRow();
    row.insertCell().textContent = baseName(path);
    const link = make("a", "download", T("Download"), { href: fileUrl(path), download: baseName(path) });
    row.insertCell().append(link);
    row.lastChild.className = "right";
  }
  return [table, ...facts.samples.map((one) => sample(one))];
}

customElements.define("voice-progress", VoiceProgress);
