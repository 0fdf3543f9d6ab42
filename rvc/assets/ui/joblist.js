// <job-list>: every job of this machine behind one button, so that none is ever out of sight.

import { SOUND, T, ask, baseName, button, fileUrl, jobs, make, runs } from "./core.js";
import { doing, plainly } from "./parts.js";
import { subjectOf, verbTitle, voicesOf } from "./verbs.js";

const SHOWN = 30;
const ICON =
  '<svg viewBox="0 0 24 24" aria-hidden="true"><path d="M4 6.5l1.5 1.5L8 5M4 12.5l1.5 1.5L8 11M4 18.5l1.5 1.5L8 17M12 7h8M12 13h8M12 19h8"/></svg>';
const TAB = ".tabitem[id^=tab-]";
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
    if (!this.box) this.#build();
    const shown = jobs.list.slice(0, SHOWN);
    for (const [id, row] of this.rows) if (!shown.some((job) => job.id === id)) (row.remove(), this.rows.delete(id));
    shown.forEach((job, place) => {
      const row = this.#current(job);
      if (this.box.children[place] !== row) this.box.insertBefore(row, this.box.children[place] ?? null);
    });
    this.none.hidden = shown.length > 0;
  }

  #build() {
    const head = make("div", "ab-row");
    const close = button("✕", "plain", () => this.dialog.close());
    close.setAttribute("aria-label", T("Close"));
    head.append(make("h2", "grow", T("Jobs")), close);
    const tell = button(T("Tell me when a long job ends"), "plain small", async () => {
      await Notification.requestPermission(); // run.js tells, where it was given
      tell.remove();
    });
    tell.hidden = window.Notification?.permission !== "default";
    this.rows = new Map();
    this.box = make("div");
    this.none = make("div", "notice empty");
    this.none.append(make("p", "", T("Nothing has been started here yet.")));
    this.dialog.replaceChildren(head, tell, this.box, this.none);
  }

  // The row of a job. One of the same state stays where it is: what plays in it goes on playing.
  #current(job) {
    const old = this.rows.get(job.id);
    const row = old?.dataset.state === job.state ? old : this.#row(job);
    if (old && row !== old) old.replaceWith(row);
    this.rows.set(job.id, row);
    const part = job.total > 0 ? `${Math.round((100 * job.done) / job.total)} %` : "…";
    const texts = { ".job-mark": runs(job) ? part : MARKS[job.state], ".said": said(job) };
    for (const [place, text] of Object.entries(texts)) {
      const element = row.querySelector(place);
      if (element.textContent !== text) element.textContent = text;
    }
    return row;
  }

  #row(job) {
    const row = make("div", `job-row ${job.state}`, "", { "data-job": job.id, "data-state": job.state });
    const words = make("div", "grow");
    const when = new Date(1000 * job.created_s).toLocaleString([], { dateStyle: "short", timeStyle: "short" });
    const about = [subjectOf(job), ...voicesOf(job)].filter(Boolean).join(" → ");
    words.append(make("p", "strong", [verbTitle(job.verb), about].filter(Boolean).join(" · ")), make("p", "hint", when), make("p", "hint said"));
    const acts = make("div", "row");
    row.append(make("b", "job-mark"), words, acts);
    const output = job.result?.output_path ?? "";
    if (SOUND.test(output)) {
      words.append(make("mini-player", "", "", { src: fileUrl(output), name: baseName(output), preload: "none" }));
      acts.append(make("a", "download", T("Download"), { href: fileUrl(output), download: baseName(output) }));
    }
    const takes = job.state === "done" && document.querySelector(`takes-list[verbs~="${job.verb}"]`);
    if (takes) acts.append(button(T("Use these settings"), "plain", () => (this.#open(takes), takes.use(job.id))));
    if (runs(job)) {
      acts.append(button(T("Stop"), "plain", () => ask(`jobs/${job.id}/cancel`, { method: "POST" }).then(() => jobs.refresh())));
    }
    const panel = [...document.querySelectorAll("job-panel")].find((p) => p.verbs?.includes(job.verb));
    if (panel?.closest(TAB)) acts.append(button(T("Show"), "plain", () => this.#show(panel, job)));
    return row;
  }

  #open(element) {
    this.dialog.close();
    window.voice.open(element.closest(TAB).id.replace("tab-", ""));
  }

  #show(panel, job) {
    this.#open(panel);
    panel.pin(job.id);
    panel.closest(".fold-card")?.querySelector("button.label-wrap:not(.open)")?.click();
    panel.scrollIntoView({ block: "center" });
  }
}

// What there is to say of a job now: what it does, or what came of it.
function said(job) {
  return plainly(job.result?.message ?? job.error?.message ?? doing(job), job).split("\n")[0];
}

customElements.define("job-list", JobList);
