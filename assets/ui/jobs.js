// <job-panel verbs="infer batch-infer" empty="…">: the newest job of some verbs, live.

import { ENDED, T, ask, baseName, button, duration, fileUrl, jobs, make } from "./core.js";

const SOUND = /\.(wav|mp3|flac|ogg|opus|m4a)$/i;

class JobPanel extends HTMLElement {
  connectedCallback() {
    this.verbs = (this.getAttribute("verbs") ?? "").split(" ");
    this.update = () => this.#update();
    jobs.addEventListener("change", this.update);
    this.setAttribute("aria-live", "polite");
    this.#update();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
  }

  get job() {
    const only = this.getAttribute("model");
    return jobs.list.find(
      (job) => this.verbs.includes(job.verb) && (!only || job.params.model_name === only),
    );
  }

  #update() {
    const job = this.job;
    const state = jobs.lost ? "lost" : job?.state ?? "empty";
    const running = job && !ENDED.includes(job.state);
    const shown = `${job?.id} ${state === "stopping" ? "running" : state}`;
    if (shown !== this.shown) {
      this.shown = shown;
      this.dataset.state = state;
      this.replaceChildren(...this.#content(job, state));
      this.dispatchEvent(new CustomEvent("job", { bubbles: true, detail: job }));
    }
    if (running && !jobs.lost) this.#progress(job);
  }

  #content(job, state) {
    if (state === "lost") return [notice("lost", T("The server is not answering. Trying again…"))];
    if (!job) return [notice("empty", this.getAttribute("empty") ?? "")];
    if (state === "done") return this.#done(job);
    if (state === "failed") return [complaint(job), log(job)];
    if (state === "cancelled") return [notice("quiet", job.error?.message ?? "", job.error?.hint)];
    return this.#running(job);
  }

  #running(job) {
    this.note = make("div", "job-note");
    this.bar = make("div", "job-bar-fill");
    const bar = make("div", "job-bar", "", { role: "progressbar", "aria-label": T("Progress") });
    bar.append(this.bar);
    this.left = make("div", "job-left");
    const stop = button(T("Stop"), "job-stop", async () => {
      const again = stop.textContent !== T("Stop"); // a second press does not wait for a save
      stop.textContent = T("Stopping…");
      await ask(`jobs/${job.id}/cancel?now=${again}`, { method: "POST" }).catch(() => {});
      jobs.refresh();
    });
    const foot = make("div", "job-foot");
    foot.append(this.left, stop);
    return [this.note, bar, foot, log(job)];
  }

  #progress(job) {
    const known = job.total > 0;
    const part = known ? Math.min(1, job.done / job.total) : 0;
    this.bar.style.width = known ? `${100 * part}%` : "";
    this.bar.classList.toggle("unknown", !known);
    this.bar.parentElement.setAttribute("aria-valuenow", Math.round(100 * part));
    this.note.textContent = job.note.split(" | ").pop() || T("Getting ready…");
    const left = job.eta_s == null ? "" : `${duration(job.eta_s)} ${T("left")}`;
    this.left.textContent = known ? [`${Math.round(100 * part)} %`, left].filter(Boolean).join(" · ") : left;
  }

  #done(job) {
    const output = job.result?.output_path ?? job.params.output_path;
    const said = job.result?.message ?? T("Done.");
    const parts = [notice("good", output ? said.replaceAll(output, baseName(output)) : said)];
    const { converted, failed } = job.result ?? {};
    const files = [...(Array.isArray(converted) ? converted : []), ...(Array.isArray(failed) ? failed : [])];
    if (output && SOUND.test(output)) {
      const player = make("ab-player", "", "", { output });
      const input = job.result?.speech_path ?? job.params.input_path ?? "";
      if (SOUND.test(input)) player.setAttribute("input", input);
      parts.push(player);
    }
    if (files.length) parts.push(table(files));
    if (this.hasAttribute("facts")) parts.push(...resultFacts(job.result ?? {}));
    return parts;
  }
}

function notice(kind, text, hint = "") {
  const box = make("div", `notice ${kind}`);
  box.append(make("p", "", text));
  if (hint) box.append(make("p", "hint", hint));
  return box;
}

function complaint(job) {
  const error = job.error ?? {};
  const box = notice("bad", error.message ?? "", error.hint);
  if (error.cause) box.append(make("pre", "cause", error.cause));
  const copy = button(T("Copy details"), "small", async () => {
    const details = { job: job.id, verb: job.verb, params: job.params, error };
    await navigator.clipboard.writeText(JSON.stringify(details, null, 1));
    copy.textContent = T("Copied");
  });
  box.append(copy);
  return box;
}

function log(job) {
  const fold = make("details", "job-log");
  const text = make("pre");
  fold.append(make("summary", "", T("Log")), text);
  fold.addEventListener("toggle", async () => {
    if (!fold.open) return;
    const answer = await fetch(`/api/jobs/${job.id}/log?lines=60`);
    text.textContent = (await answer.text()) || T("Nothing yet.");
    text.scrollTop = text.scrollHeight;
  });
  return fold;
}

function table(files) {
  const body = make("table", "files");
  for (const file of files) {
    const row = body.insertRow();
    const output = file.output_path ?? file.output ?? "";
    row.insertCell().textContent = baseName(file.input_path ?? file.input ?? file.file ?? "");
    const cell = row.insertCell();
    if (SOUND.test(output)) {
      cell.append(make("audio", "", "", { controls: "", preload: "none", src: fileUrl(output) }));
    } else {
      cell.textContent = file.cause ?? "";
      cell.className = "failed";
    }
  }
  return body;
}

function resultFacts(result) {
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

class DeviceChip extends HTMLElement {
  async connectedCallback() {
    this.textContent = T("Looking at the hardware…");
    try {
      const found = await ask("device");
      this.replaceChildren(make("b", "", found.device), make("span", "", found.why));
      this.title = found.why;
    } catch (error) {
      this.textContent = error.message;
    }
  }
}

customElements.define("job-panel", JobPanel);
customElements.define("device-chip", DeviceChip);
jobs.refresh();
