// <step-bar steps="Recordings|Settings|…">: where you are in a training, and the way to its other steps.
//
// The step is kept by the browser's tab alone. A tab that kept none shows the running training.

import { goal, note } from "./address.js";
import { T, TRAINING, jobs, make, runs } from "./core.js";

const KEY = "voice.step";
const RUN = 3;
const kept = () => Number(sessionStorage.getItem(KEY)) || 0;

class StepBar extends HTMLElement {
  connectedCallback() {
    const names = this.getAttribute("steps").split("|");
    this.buttons = names.map((name, i) => this.#button(name, i + 1));
    const list = make("ol");
    for (const button of this.buttons) {
      list.append(make("li"));
      list.lastChild.append(button);
    }
    this.replaceChildren(list);
    this.show(kept() || 1);
    this.update = () => this.#look();
    jobs.addEventListener("change", this.update);
    this.#look();
  }

  disconnectedCallback() {
    jobs.removeEventListener("change", this.update);
  }

  // Once: nobody is taken away from what they are doing by a training that begins later.
  #look() {
    if (this.looked || !jobs.known) return;
    this.looked = true;
    if (!kept() && running()) this.go(RUN);
  }

  #button(name, step) {
    const button = make("button", "", "", { type: "button" });
    button.append(make("span", "number", String(step)), make("span", "", T(name)));
    button.addEventListener("click", () => this.go(step));
    return button;
  }

  go(step) {
    sessionStorage.setItem(KEY, Math.min(this.buttons.length, Math.max(1, step)));
    this.show(kept());
    if (goal().tab === "training") note("training", { step: kept() });
  }

  show(step) {
    this.at = step;
    this.closest(".steps").dataset.step = step;
    this.buttons.forEach((button, i) => {
      button.classList.toggle("past", i + 1 < step);
      if (i + 1 === step) button.setAttribute("aria-current", "step");
      else button.removeAttribute("aria-current");
    });
  }
}

const running = () => jobs.list.some((job) => TRAINING.includes(job.verb) && runs(job));

Object.assign(window.voice, {
  step: (step) => document.querySelector("step-bar")?.go(step),
  move: (by) => window.voice.step(document.querySelector("step-bar").at + by),
});
customElements.define("step-bar", StepBar);
