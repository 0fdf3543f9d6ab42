// <job-panel verbs="infer batch-infer" empty="…">: the newest job of some verbs, live.

import { FILLED, SOUND, STAGES, T, ask, button, duration, jobs, make, ours, runs, stageOf } from "./core.js";
import { differs } from "./stale.js";
import { again, complaint, doing, linked, log, notice, plainly, resultFacts, table, used } from "./parts.js";

class JobPanel extends HTMLElement {
  connectedCallback() {
    this.verbs = (this.getAttribute("verbs") ?? "").split(" ");
    this.update = () => this.#update();
    jobs.addEventListener("change", this.update);
    for (const name of FILLED) window.addEventListener(name, this.update);
    this.setAttribute("aria-live", "polite");
    this.tabIndex = -1;
    this.#update();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
    for (const name of FILLED) window.removeEventListener(name, this.update);
  }

  get job() {
    const all = jobs.list.filter((job) => this.verbs.includes(job.verb));
    const follows = this.hasAttribute("follows");
    const own = ours();
    const mine = follows || this.hasAttribute("everybodys") ? all : all.filter((job) => own.has(job.id));
    if (mine[0]?.id !== this.newest) this.pinned = null; // a new job takes the place of an old one
    this.newest = mine[0]?.id;
    const pinned = all.find((job) => job.id === this.pinned);
    return pinned ?? (follows ? this.#followed(mine) : mine[0]);
  }

  // What runs, preferably for the voice named in the form; else the last done for that voice.
  #followed(mine) {
    const name = window.voice.value?.(this.getAttribute("follows"), "model_name");
    const own = mine.filter((job) => !name || job.params.model_name === name);
    return own.find(runs) ?? mine.find(runs) ?? own[0];
  }

  // Show this job until there is a newer one.
  pin(id) {
    this.pinned = id;
    this.#update();
  }

  #update() {
    const job = this.job;
    const state = jobs.lost ? "lost" : job?.state ?? (jobs.known ? "empty" : "unknown");
    const shown = `${job?.id} ${state === "stopping" ? "running" : state}`;
    if (shown !== this.shown) {
      this.shown = shown;
      this.dataset.state = state;
      this.dataset.verb = job?.verb ?? "";
      const within = this.contains(document.activeElement);
      this.removeAttribute("data-stale");
      this.replaceChildren(...this.#content(job, state));
      if (within) this.focus({ preventScroll: true }); // or the keyboard would start at the top again
      this.dispatchEvent(new CustomEvent("job", { bubbles: true, detail: job }));
    }
    if (runs(job) && !jobs.lost) this.#progress(job);
    const stale = state === "done" && differs(job, (this.getAttribute("forms") ?? "").split(" "));
    if (stale === this.hasAttribute("data-stale")) return;
    this.toggleAttribute("data-stale", stale);
    this.querySelector(".stale")?.remove();
    const text = T("Something was changed since: this is the earlier result.");
    if (stale) this.prepend(make("p", "stale", text));
  }

  #content(job, state) {
    if (state === "lost") return [notice("lost", T("The server is not answering. Trying again…"))];
    if (state === "unknown") return []; // nothing is claimed before the server has answered
    if (!job) return [notice("empty", this.getAttribute("empty") ?? "")];
    if (state === "done") return this.#done(job);
    const files = table(job);
    if (state === "failed") return [complaint(job, files.length), again(job), ...files, log(job)];
    if (state === "cancelled") {
      return [notice("quiet", job.error?.message ?? "", job.error?.hint), again(job), ...files];
    }
    return this.#running(job);
  }

  #running(job) {
    const quiet = { "aria-live": "off" }; // what changes every second is not read out
    this.note = make("div", "job-note", "", quiet);
    this.bar = make("div", "job-bar-fill");
    const bar = make("div", "job-bar", "", { role: "progressbar", "aria-label": T("Progress") });
    bar.append(this.bar);
    this.left = make("div", "job-left", "", quiet);
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
    if (known) this.bar.parentElement.setAttribute("aria-valuenow", Math.round(100 * part));
    else this.bar.parentElement.removeAttribute("aria-valuenow");
    const stage = Object.keys(STAGES).indexOf(stageOf(job)) + 1;
    const of = stage && job.verb === "create-voice" ? `${stage} / ${Object.keys(STAGES).length} · ` : "";
    const text = of + doing(job);
    if (this.note.textContent !== text) this.note.replaceChildren(...linked(text));
    const left = job.eta_s >= 1 ? `${duration(job.eta_s)} ${T("left")}` : ""; // less is a guess
    this.left.textContent = known ? [`${Math.round(100 * part)} %`, left].filter(Boolean).join(" · ") : left;
  }

  #done(job) {
    const output = job.result?.output_path ?? job.params.output_path;
    const said = job.result?.message ?? T("Done.");
    const facts = this.hasAttribute("facts"); // a list of facts is not said twice
    const parts = facts && said.includes("\n") ? [] : [notice("good", plainly(said, job))];
    if (job.result?.accompaniment) {
      const mixer = make("stem-mixer");
      customElements.whenDefined("stem-mixer").then(() => mixer.show(job));
      parts.push(mixer);
    } else if (output && SOUND.test(output)) {
      const player = make("ab-player", "", "", { output });
      const input = job.result?.speech_path ?? job.params.input_path ?? "";
      if (SOUND.test(input)) player.setAttribute("input", input);
      parts.push(player);
    }
    parts.push(...used(job), ...table(job));
    if (facts) parts.push(...resultFacts(job.result ?? {}));
    return parts;
  }
}

class DeviceChip extends HTMLElement {
  async connectedCallback() {
    this.textContent = T("Looking at the hardware…");
    try {
      const found = await ask("device");
      const [device, ...why] = found.why.split(": "); // "CPU: torch is a CPU build; fp32"
      this.replaceChildren(make("b", "", device), make("span", "", why.join(": ")));
      this.title = found.why;
    } catch (error) {
      this.textContent = error.message;
    }
  }
}

customElements.define("job-panel", JobPanel);
customElements.define("device-chip", DeviceChip);
jobs.refresh();
