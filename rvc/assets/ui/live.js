// <live-desk>: go live with this browser or with devices of this machine; keys: space, M, 1 to 9.

import { T, ask, baseName, button, fileUrl, make } from "./core.js";
import { Link } from "./live-link.js";
import { notice } from "./parts.js";

const FLOOR_DB = -60;
const RATE_MS = 100; // between changes of a setting that is dragged

class LiveDesk extends HTMLElement {
  connectedCallback() {
    if (this.link) return;
    this.link = new Link();
    this.link.addEventListener("said", ({ detail }) => this.#said(detail));
    this.state = "stopped";
    this.#build();
    window.addEventListener("voice-saved", ({ detail }) => detail.key === "live" && this.#changed(detail));
    window.addEventListener("voice-live", () => this.#voices(false));
    document.addEventListener("keydown", (event) => this.#key(event));
    this.#voices();
    this.link.connect();
  }

  #build() {
    this.go = button(T("Start"), "live-go", () => this.#toggle(false));
    this.said = make("div", "live-said", "", { role: "status" });
    this.late = make("details", "live-late");
    this.late.append(make("summary"), make("dl", "facts-table"));
    this.meters = ["Microphone", "Voice"].map((name) => {
      const bar = make("div", "job-bar", "", { "aria-hidden": "true" });
      bar.append(make("div", "job-bar-fill"));
      return bar;
    });
    const meters = make("div", "live-meters");
    meters.append(make("span", "", T("Microphone")), this.meters[0], make("span", "", T("Voice")), this.meters[1]);
    this.picks = make("div", "live-voices", "", { role: "group", "aria-label": T("Voice") });
    this.muted = this.#switch(T("Mute"), "mute");
    this.bypassed = this.#switch(T("Own voice"), "bypass");
    this.record = button(T("Record"), "plain live-record", () => this.link.do("record", { what: this.recording ? "off" : "both" }));
    this.measure = button(T("Measure the delay"), "plain", () => {
      this.#tell(notice("", T("Noise is played; the microphone must hear the loudspeaker.")));
      this.link.do("probe");
    });
    const row = make("div", "ab-row live-row");
    row.append(this.bypassed, this.muted, this.record, this.measure);
    this.append(this.picks, this.#devices(), this.go, this.said, meters, this.late, row);
    this.#show();
  }

  #switch(text, order) {
    const made = button(text, "plain", () => this.link.do(order, { on: made.getAttribute("aria-pressed") !== "true" }));
    made.setAttribute("aria-pressed", "false");
    return made;
  }

  #devices() {
    this.where = this.#select(T("Sound of"), [["browser", T("this browser")], ["devices", T("the devices of this machine")]]);
    this.input = this.#select(T("Microphone"), [["", T("as the system says")]]);
    this.output = this.#select(T("Output"), [["", T("as the system says")]]);
    this.second = this.#select(T("Second output"), [["", T("none")]]);
    this.echo = this.#tick(T("I have no headphones: take the echo out"));
    this.alone = this.#tick(T("Take the devices for this program alone (WASAPI)."));
    this.where.onchange = () => this.#list();
    const box = make("div", "live-devices");
    box.append(...[this.where, this.input, this.output, this.second, this.echo, this.alone].map((e) => e.parentNode));
    navigator.mediaDevices?.addEventListener("devicechange", () => this.#list());
    this.#list();
    return box;
  }

  #tick(text) {
    const label = make("label", "live-echo");
    const made = label.appendChild(make("input", "", "", { type: "checkbox" }));
    label.append(make("span", "", text));
    return made;
  }

  #select(text, options) {
    const label = make("label", "", text);
    const made = label.appendChild(make("select"));
    made.replaceChildren(...options.map(([value, name]) => new Option(name, value)));
    return made;
  }

  // The devices there are: the browser's, or those of the machine that the program runs on.
  async #list() {
    const here = this.where.value === "browser";
    for (const [one, shown] of [[this.echo, here], [this.second, !here], [this.alone, !here]]) one.parentNode.hidden = !shown;
    let found = [];
    try {
      if (here) {
        const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
        found = all.filter((d) => d.deviceId && d.label).map((d) => [d.kind === "audioinput", d.kind === "audiooutput", d.deviceId, d.label]);
      } else {
        const all = await ask("live/devices");
        found = all.map((d) => [d.inputs > 0, d.outputs > 0, String(d.number), `${d.name} (${d.interface})`]);
        if (!found.length) this.#tell(notice("bad", T("This machine has no sound devices; use those of the browser.")));
      }
    } catch (error) {
      this.#tell(notice("bad", error.message, error.details?.hint));
    }
    for (const [select, kind] of [[this.input, 0], [this.output, 1], [this.second, 1]]) {
      const options = found.filter((d) => d[kind]).map((d) => new Option(d[3], d[2]));
      const now = select.value;
      select.replaceChildren(new Option(select === this.second ? T("none") : T("as the system says"), ""), ...options);
      if (options.some((o) => o.value === now)) select.value = now;
    }
  }

  async #voices(quietly = true) {
    const all = await ask("voices").catch(() => []);
    const rows = all.slice(0, 9).map((v, i) => button(`${i + 1} ${v.name}`, "plain", () => this.#choose(v.pth_path)));
    rows.forEach((row, i) => (row.dataset.path = all[i].pth_path));
    this.more = button(T("Choose a voice"), "plain", async () => {
      await import("./voice-picker.js");
      this.#choose(await window.voice.pickVoice(this.voice));
    });
    this.picks.replaceChildren(...rows, this.more);
    const kept = localStorage.getItem("voice.live.voice");
    this.#choose(all.some((v) => v.pth_path === kept) ? kept : all.at(-1)?.pth_path, quietly);
  }

  // Speak in this voice; one that has no key is named all the same.
  #choose(path, quietly) {
    if (!path) return;
    this.voice = path;
    localStorage.setItem("voice.live.voice", path);
    const picks = [...this.picks.querySelectorAll("[data-path]")];
    const beyond = !picks.some((pick) => pick.dataset.path === path);
    this.more.textContent = beyond ? `${T("Choose a voice")}: ${baseName(path)}` : T("Choose a voice");
    this.more.setAttribute("aria-pressed", beyond);
    for (const pick of picks) pick.setAttribute("aria-pressed", pick.dataset.path === path);
    if (!quietly && this.state === "running") this.link.do("voice", { voice: path });
  }

  async #toggle(force) {
    if (this.state !== "stopped") return this.link.do("stop");
    if (!this.voice) return this.#tell(notice("bad", T("There is no voice here yet.")));
    this.#tell();
    await this.link.connect();
    const values = { voice: this.voice, settings: this.#settings(), force };
    try {
      if (this.where.value === "browser") {
        values.rate = await this.link.listen(this.input.value, this.output.value, this.echo.checked);
        this.#list();
      } else {
        if (this.input.value) values.settings.input_device = this.input.value;
        if (this.output.value) values.settings.output_device = this.output.value;
        if (this.second.value) values.settings.monitor_device = this.second.value;
        if (this.alone.checked) values.settings.exclusive = true;
      }
      this.link.do("start", values);
    } catch (error) {
      this.#tell(notice("bad", error.message));
    }
  }

  #settings() {
    const given = Object.entries(window.voice.values?.("live") ?? {});
    const set = given.filter(([, value]) => value !== null && value !== "");
    return Object.fromEntries(set.map(([name, value]) => [name.replace(/^live_/, ""), value]));
  }

  #changed({ name, value }) {
    if (this.state !== "running") return;
    this.waiting = { ...this.waiting, [name.replace(/^live_/, "")]: value === "" ? null : value };
    this.timer ??= setTimeout(() => {
      this.link.do("set", { settings: this.waiting });
      this.waiting = this.timer = undefined;
    }, RATE_MS);
  }

  #key(event) {
    if (this.state !== "running" || !this.checkVisibility() || event.ctrlKey || event.altKey || event.metaKey) return;
    if (event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
    const act = { " ": () => this.bypassed.click(), m: () => this.muted.click() }[event.key.toLowerCase()];
    const pick = /^[1-9]$/.test(event.key) ? this.picks.querySelectorAll("[data-path]")[event.key - 1] : null;
    if (!act && !pick) return;
    event.preventDefault();
    act ? act() : pick.click();
  }

  #said(said) {
    const acts = {
      welcome: () => this.#state(said),
      state: () => this.#state(said),
      figures: () => this.#figures(said),
      busy: () => this.#busy(said),
      taken: () => (this.link.silence(), this.#state({ state: "stopped" }), this.#busy({ message: T("Another browser has taken over.") })),
      silent: () => this.#tell(notice("bad", T("No sound came from the microphone for three seconds."))),
      unplugged: () => (this.link.do("stop"), this.#tell(notice("bad", T("The microphone is gone.")))),
      error: () => this.#failed(said),
      done: () => this.#done(said),
      closed: () => this.#closed(said),
    };
    acts[said.say]?.();
  }

  async #state(said) {
    this.state = said.state;
    if (said.state === "running" && said.mine) {
      if (!this.link.node && said.where === "browser") await this.#again(said);
      this.link.sends = true;
    }
    if (said.state === "stopped") this.link.silence();
    this.#show();
  }

  // A page that was loaded again: the same session, if the microphone still runs at the same rate.
  async #again() {
    try {
      await this.link.listen(this.input.value, this.output.value, this.echo.checked);
    } catch (error) {
      this.link.do("stop");
      this.#tell(notice("bad", error.message));
    }
  }

  #busy(said) {
    const box = notice("lost", said.message === "Another browser is live." ? T("Another browser is live.") : said.message);
    box.append(button(T("Take over"), "plain", () => (this.#tell(), this.link.takeOver())));
    this.#tell(box);
  }

  #failed(said) {
    const box = notice("bad", said.message, said.hint);
    if (said.did === "start") {
      this.link.silence();
      if (/--force/.test(said.hint ?? "")) box.append(button(T("Start anyway"), "plain", () => this.#toggle(true)));
    }
    this.#tell(box);
  }

  #done({ did, done }) {
    if (did === "start") this.#tell();
    if (did === "probe") {
      this.measured = done.round_trip_ms ?? done.heard_after_ms ?? null;
      if (this.measured === null) this.#tell(notice("bad", T("The microphone did not hear the noise.")));
      else this.#tell();
    }
    if (done?.record_path) {
      const box = notice("good", done.record_fault || T("Recorded:") + " " + baseName(done.record_path));
      box.append(make("mini-player", "", "", { src: fileUrl(done.record_path), name: baseName(done.record_path) }));
      this.#tell(box);
    }
  }

  #closed({ message }) {
    if (this.state === "running") this.#tell(notice("lost", message || T("The connection is lost.")));
    setTimeout(() => this.link.connect(), 1000);
  }

  #figures(said) {
    [said.level_in_db, said.level_out_db].forEach((db, i) => {
      this.meters[i].firstChild.style.width = `${Math.max(0, Math.min(100, 100 * (1 - (db ?? FLOOR_DB) / FLOOR_DB)))}%`;
    });
    this.muted.setAttribute("aria-pressed", said.mute);
    this.bypassed.setAttribute("aria-pressed", said.bypass);
    this.recording = "record_path" in said;
    this.record.textContent = this.recording ? `● ${Math.floor(said.record_s)} s` : T("Record");
    this.record.classList.toggle("on", this.recording);
    if (said.delay_ms) this.#lateness(said);
    if (said.state === "reconnecting" || said.state === "error") this.#tell(notice("bad", said.message));
  }

  #lateness(said) {
    const here = this.link.parts;
    const streams = said.port?.streams ?? [];
    const devices = this.link.node ? here.in + here.way + here.waiting + here.out : streams.slice(0, 2).reduce((sum, s) => sum + s.latency_ms, 0);
    const total = Math.round(said.delay_ms + (this.measured ?? devices));
    const text = this.measured ? T("You are heard after %1 ms (measured).") : T("You are heard after about %1 ms.");
    this.late.firstChild.textContent = text.replace("%1", total);
    const rows = [[T("Voice"), `${said.delay_ms} ms = ${said.block_ms} + ${said.look_ahead_ms} + ${said.head_room_ms}`]];
    if (this.link.node) {
      rows.push([T("To the server and back"), `${Math.round(here.way)} ms`], [T("Waiting to be played"), `${Math.round(here.waiting)} ms`]);
    }
    rows.push([T("Devices"), `${Math.round(this.link.node ? here.in + here.out : devices)} ms`]);
    rows.push([T("Came too late"), `${said.late}`], [T("Left out"), `${said.skipped_ms} ms`]);
    rows.push([T("Gaps on the way"), `${(said.lost ?? 0) + this.link.gaps}`]);
    this.late.lastChild.replaceChildren(...rows.flatMap(([name, value]) => [make("dt", "", name), make("dd", "", value)]));
  }

  #show() {
    const text = { stopped: T("Start"), starting: T("Getting ready…"), running: T("Stop") };
    this.go.textContent = text[this.state];
    this.dataset.state = this.state;
    for (const one of [this.muted, this.bypassed, this.record, this.measure]) one.disabled = this.state !== "running";
    for (const one of [this.where, this.input, this.output, this.second, this.echo, this.alone]) one.disabled = this.state !== "stopped";
  }

  #tell(...boxes) {
    this.said.replaceChildren(...boxes);
  }
}

customElements.define("live-desk", LiveDesk);
