// Pieces of what a job has to say.

import { SOUND, STAGES, T, TRAINING, apiUrl, ask, baseName, button, fileUrl, jobs, make, post, stageOf } from "./core.js";

export function notice(kind, text, hint = "") {
  const box = make("div", `notice ${kind}`);
  box.append(make("p", "", text));
  if (hint) box.append(make("p", "hint", hint));
  return box;
}

// What is said of a job, without the folders the server itself has named.
export function plainly(said, { params, result }) {
  const { message, ...found } = result ?? {};
  const told = [params.input_path, params.output_path, ...Object.values(found)];
  const known = told.filter((value) => typeof value === "string" && /[\\/]/.test(value));
  const short = known.reduce((text, path) => text.replaceAll(path, baseName(path)), said);
  return params.input_folder ? short.replaceAll(`${params.input_folder}/`, "") : short;
}

// What a job does just now. Figures of a training are in its curves; here an epoch is enough.
export function doing(job) {
  if (job.before > 0) return T("%1 before this one").replace("%1", job.before);
  const note = job.note.split(" | ").pop();
  if (!note) return T("Getting ready…");
  if (!TRAINING.includes(job.verb)) return note;
  const epoch = /epoch (\d+)\/(\d+)/.exec(note);
  if (epoch) return T("Epoch %1 of %2").replace("%1", epoch[1]).replace("%2", epoch[2]);
  return T(STAGES[stageOf(job)] ?? note);
}

export function complaint(job, listed) {
  const error = job.error ?? {};
  const said = plainly(error.message ?? "", job); // where a table follows, one sentence is enough
  const box = notice("bad", listed ? said.split(/(?<=\.) /)[0] : said, error.hint);
  if (error.cause) box.append(make("pre", "cause", error.cause));
  const copy = button(T("Copy details"), "small", async () => {
    const details = { job: job.id, verb: job.verb, params: job.params, error };
    await navigator.clipboard.writeText(JSON.stringify(details, null, 1));
    copy.textContent = T("Copied");
  });
  box.append(copy);
  return box;
}

export function log(job) {
  const fold = make("details", "job-log");
  const text = make("pre");
  fold.append(make("summary", "", T("Log")), text);
  fold.addEventListener("toggle", async () => {
    if (!fold.open) return;
    const answer = await fetch(apiUrl(`jobs/${job.id}/log?lines=60`));
    text.textContent = (await answer.text()) || T("Nothing yet.");
    text.scrollTop = text.scrollHeight;
  });
  return fold;
}

// What became of each recording of a batch; empty where there was no batch.
export function table(job) {
  const { converted, failed } = job.result ?? {};
  const files = [converted, failed].flatMap((list) => (Array.isArray(list) ? list : []));
  if (!files.length || typeof files[0] !== "object") return [];
  const body = make("table", "files");
  for (const file of files) {
    const row = body.insertRow();
    row.insertCell().textContent = `${file.cause ? "✕" : "✓"} ${baseName(file.file ?? "")}`;
    const cell = row.insertCell();
    if (SOUND.test(file.output_path ?? "")) {
      cell.append(make("mini-player", "", "", { src: fileUrl(file.output_path), name: baseName(file.output_path) }));
    } else {
      cell.textContent = plainly(file.cause ?? "", job);
      cell.className = "failed";
    }
  }
  return [body];
}

// One line that says with what a conversion was done.
export function used(job) {
  const { pth_path: voice, index_path: index, f0_method: pitch } = job.params;
  if (!voice || !pitch) return [];
  const line = make("p", "facts used");
  const say = (known) => {
    const parts = { Voice: [known?.name ?? voice].flat(), "Index file": [index ?? []].flat() };
    Object.assign(parts, { "Pitch extractor": [pitch], "Content embedder": [known?.embedder_model ?? []].flat() });
    const said = Object.entries(parts).filter(([, values]) => values.length);
    line.textContent = said.map(([k, v]) => `${T(k)}: ${v.map(baseName).join(", ")}`).join(" · ");
  };
  say();
  ask("voices").then((all) => say(all.find((v) => v.pth_path === [voice].flat()[0])), () => {});
  return [line];
}

// A text whose addresses can be followed.
export const linked = (text) =>
  text.split(/(https?:\/\/\S+)/).map((part, i) =>
    i % 2 ? make("a", "", part, { href: part, target: "_blank", rel: "noopener" }) : part,
  );

// A button that starts a job once more with the same settings; work on a voice goes on.
export function again(job) {
  const goesOn = TRAINING.includes(job.verb);
  const go = button(goesOn ? T("Resume") : T("Try again"), "plain again", async () => {
    go.disabled = true;
    const values = { ...job.params, ...("cleanup" in job.params ? { cleanup: false } : {}) };
    await post(job.verb, values).catch((error) => go.after(make("p", "hint", error.message)));
    jobs.refresh();
  });
  return go;
}

export function resultFacts(result) {
  const list = make("dl", "facts-table");
  const pictures = [];
  for (const [key, value] of Object.entries(result)) {
    if (key === "message" || value === null || (typeof value === "object" && !Array.isArray(value))) continue;
    const text = Array.isArray(value) ? value.filter((v) => typeof v !== "object").join(", ") : String(value);
    if (!text) continue;
    if (/\.png$/.test(text)) pictures.push(make("img", "", "", { src: `${fileUrl(text)}?${Date.now()}`, alt: key }));
    const cell = make("dd");
    if (/\.(png|csv|pth|index|zip|onnx|txt|json|safetensors)$/.test(text)) {
      cell.append(make("a", "download", baseName(text), { href: fileUrl(text), download: baseName(text) }));
    } else cell.textContent = text;
    list.append(make("dt", "", key.replaceAll("_", " ")), cell);
  }
  return [...pictures, list];
}
