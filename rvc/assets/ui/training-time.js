// <training-time choices="[[title, vocoder, rate, …, epochs], …]">: how long each choice takes on this machine,
// by what earlier trainings measured on it; nothing where none has.

import { T, ask, make } from "./core.js";
import { lengthOf } from "./store.js";

class TrainingTime extends HTMLElement {
  connectedCallback() {
    this.choices = JSON.parse(this.getAttribute("choices"));
    this.saved = ({ detail }) => detail.key === "training" && detail.name === "dataset_path" && this.#load();
    this.loaded = () => this.#load();
    window.addEventListener("voice-saved", this.saved);
    window.addEventListener("voice-loaded", this.loaded);
    this.looking = new IntersectionObserver(([entry]) => entry.isIntersecting && this.#load());
    this.looking.observe(this.parentElement); // a step that comes into view; alone it may be empty
    this.#load();
  }

  disconnectedCallback() {
    window.removeEventListener("voice-saved", this.saved);
    window.removeEventListener("voice-loaded", this.loaded);
    this.looking.disconnect();
  }

  async #load() {
    const folder = window.voice.value?.("training", "dataset_path");
    const turn = (this.turn = (this.turn ?? 0) + 1);
    const [paces, length] = folder ? await Promise.all([ask("paces"), lengthOf(folder)]).catch(() => [[]]) : [[]];
    if (turn !== this.turn) return; // another folder meanwhile
    const rows = paces.length && length.seconds ? this.choices.flatMap((choice) => this.#row(choice, paces, length.seconds)) : [];
    this.replaceChildren(...(rows.length ? [make("p", "facts", `${T("About so long on this machine:")} ${rows.join(" · ")}`)] : []));
  }

  #row([title, vocoder, rate, ...more], paces, seconds) {
    const pace = paces.find((one) => one.vocoder === vocoder && one.sample_rate === rate);
    const time = pace && (pace.epoch_s * more.at(-1) * seconds) / 60;
    return pace ? [`${title.split(/[:：]/)[0].trim()} ${rounded(time)} (${T("as measured for %1").replace("%1", pace.name)})`] : [];
  }
}

// A length of time as roughly as it is known.
function rounded(seconds) {
  const minutes = Math.max(1, Math.round(seconds / 60));
  if (minutes < 60) return `${minutes} min`;
  const tens = 10 * Math.round(minutes / 10);
  return [`${Math.floor(tens / 60)} h`, tens % 60 ? `${tens % 60} min` : ""].filter(Boolean).join(" ");
}

customElements.define("training-time", TrainingTime);
