// <job-list>: every job of this machine behind one button, so that none is ever out of sight.

import { SOUND, T, ask, baseName, button, fileUrl, jobs, make, runs } from "./core.js";
import { doing, plainly } from "./parts.js";

const SHOWN = 30;
const ICON =
  '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 6.5l1.5 1.5L8 5M4 12.5l1.5 1.5L8 11M4 18.5l1.5 1.5L8 17M12 7h8M12 13h8M12 19h8"/></svg>';
const MARKS = { done: "✓", failed: "✕", cancelled: "■" };

class JobList extends HTMLElement {
  connectedCallback() {
    this.dialog = make("dialog", "jobs-dialog", "", { "aria-label": T("Jobs") });
    this.open = button("", "jobs-button", () => (this.dialog.showModal(), this.#list()));
    this.open.setAttribute("aria-label", T("Jobs"));
    this.open.title = T("Jobs");
    this.open.innerHTML = ICON;
    this.count = make("span", "jobs-count");
    this.open.append(this.count);
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.append(this.open, this.dialog);
    jobs.addEventListener("change", () => this.#update());
    this.#update();
  }

  #update() {
    const running = jobs.list.filter(runs).length;
    this.count.textContent = running || "";
    if (this.dialog.open) this.#list();
  }

  #list() {
    const text = JSON.stringify(jobs.list.slice(0, SHOWN));
    if (text === this.text) return;
    this.text = text;
    const head = make("div", "ab-row");
    head.append(make("h2", "", T("Jobs")), button("✕", "plain", () => this.dialog.close()));
    head.lastChild.setAttribute("aria-label", T("Close"));
    if (window.Notification?.permission === "default") {
      const ask = button(T("Tell me when a long job ends"), "plain small", async () => {
        await Notification.requestPermission(); // run.js tells, where it was given
        ask.remove();
      });
      head.lastChild.before(ask);
    }
    const rows = jobs.list.slice(0, SHOWN).map((job) => this.#row(job));
    const none = make("div", "notice empty");
    none.append(make("p", "", T("Nothing has been started here yet.")));
    this.dialog.replaceChildren(head, ...(rows.length ? rows : [none]));
  }

  #row(job) {
    const row = make("div", `job-row ${job.state}`);
    const running = runs(job);
    const part = job.total > 0 ? `${Math.round((100 * job.done) / job.total)} %` : "…";
    row.append(make("b", "job-mark", running ? part : MARKS[job.state]));
    const said = job.result?.message ?? job.error?.message ?? doing(job);
    const words = make("div", "grow");
    words.append(make("p", "strong", title(job)), make("p", "hint", plainly(said, job).split("\n")[0]));
    row.append(words);
    const output = job.result?.output_path ?? "";
    if (SOUND.test(output)) {
      row.append(make("a", "download", T("Download"), { href: fileUrl(output), download: baseName(output) }));
    }
    if (running) {
      row.append(button(T("Stop"), "plain", () => ask(`jobs/${job.id}/cancel`, { method: "POST" }).then(() => jobs.refresh())));
    }
    const panel = [...document.querySelectorAll("job-panel")].find((p) => p.verbs?.includes(job.verb));
    const tab = panel?.closest(".tabitem[id^=tab-]")?.id;
    if (tab) row.append(button(T("Show"), "plain", () => this.#show(panel, tab, job)));
    return row;
  }

  #show(panel, tab, job) {
    this.dialog.close();
    window.voice.open(tab.replace("tab-", ""));
    panel.pin(job.id);
    panel.closest(".fold-card")?.querySelector("button.label-wrap:not(.open)")?.click();
    panel.scrollIntoView({ block: "center" });
  }
}

function title(job) {
  const p = job.params;
  const about = p.model_name ?? p.input_path ?? p.input_folder ?? p.pth_path ?? p.tts_text ?? "";
  const verb = job.verb.replaceAll("-", " ");
  const time = new Date(1000 * job.created_s).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
  return [verb[0].toUpperCase() + verb.slice(1), baseName(String(about)).slice(0, 60), time].filter(Boolean).join(" · ");
}

customElements.define("job-list", JobList);
