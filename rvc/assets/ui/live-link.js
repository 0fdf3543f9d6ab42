// The way between a browser's microphone and the live session: sound, orders, and how late it is.

import { T, apiUrl } from "./core.js";

const HEAD = 16;
const FULL_S = 0.2; // of sound waiting to be sent; more is dropped
const PLAIN = { channelCount: { ideal: 1 }, echoCancellation: false, noiseSuppression: false, autoGainControl: false };

// Why a microphone cannot be had, each in a sentence of its own.
const WHY = () => ({
  NotAllowedError: T("The microphone was not allowed. Allow it beside the browser's address."),
  NotFoundError: T("There is no microphone."),
  NotReadableError: T("Another program holds the microphone."),
});

function name() {
  const kept = sessionStorage.getItem("voice.live") ?? crypto.getRandomValues(new Uint32Array(3)).join("-");
  sessionStorage.setItem("voice.live", kept);
  return kept;
}

export class Link extends EventTarget {
  gaps = 0;
  way_ms = 0; // from a frame that was heard to its answer
  waiting_ms = 0; // in the buffer that is played from

  // Speak to the server; `says` gets every message.
  connect() {
    if (this.socket && this.socket.readyState < 2) return this.open;
    this.socket = new WebSocket(apiUrl("live").replace(/^http/, "ws"));
    this.socket.binaryType = "arraybuffer";
    this.socket.onmessage = ({ data }) => (typeof data === "string" ? this.#say(JSON.parse(data)) : this.#play(data));
    this.open = new Promise((resolve) => {
      this.socket.onopen = () => (this.do("hello", { client: name() }), resolve());
    });
    this.socket.onclose = ({ reason }) => this.#say({ say: "closed", message: reason });
    return this.open;
  }

  do(order, values = {}) {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify({ do: order, ...values }));
  }

  takeOver() {
    this.do("hello", { client: name(), take_over: true });
  }

  #say(said) {
    this.dispatchEvent(new CustomEvent("said", { detail: said }));
  }

  // Open microphone and output; the rate they run at.
  async listen(input, output, cancelEcho) {
    if (!window.isSecureContext || !navigator.mediaDevices) {
      throw new Error(T("Browsers lend their microphone to this machine or over https only. See --ssl-certfile."));
    }
    if (!window.AudioWorkletNode) throw new Error(T("This browser cannot do live sound: it has no AudioWorklet."));
    const audio = { ...PLAIN, echoCancellation: cancelEcho, ...(input ? { deviceId: { exact: input } } : {}) };
    this.context = new AudioContext({ latencyHint: "interactive" });
    try {
      this.stream = await navigator.mediaDevices.getUserMedia({ audio }).catch((error) => {
        throw new Error(WHY()[error.name] ?? `${T("There is no microphone.")} ${error.message}`);
      });
      await this.context.resume();
      if (output && this.context.setSinkId) await this.context.setSinkId(output);
      await this.context.audioWorklet.addModule(new URL("live.worklet.js", import.meta.url));
    } catch (error) {
      this.silence();
      throw error;
    }
    const [track] = this.stream.getAudioTracks();
    track.onended = () => this.#say({ say: "unplugged" });
    this.node = new AudioWorkletNode(this.context, "live", { outputChannelCount: [2], channelCount: 1, channelCountMode: "explicit" });
    this.node.port.onmessage = ({ data }) => this.#hear(data);
    this.context.createMediaStreamSource(this.stream).connect(this.node).connect(this.context.destination);
    this.sequence = 0;
    this.sends = false;
    return this.context.sampleRate;
  }

  // Parts of the delay that the browser adds, in ms.
  get parts() {
    const out_s = (this.context?.baseLatency ?? 0) + (this.context?.outputLatency ?? 0);
    const in_s = this.stream?.getAudioTracks()[0]?.getSettings().latency ?? 0;
    return { in: 1000 * in_s, way: this.way_ms, waiting: this.waiting_ms, out: 1000 * out_s };
  }

  silence() {
    this.sends = false;
    for (const track of this.stream?.getTracks() ?? []) (track.onended = null), track.stop();
    this.context?.close();
    this.stream = this.context = this.node = null;
  }

  #hear({ pcm, waiting, gaps }) {
    this.gaps = gaps;
    this.waiting_ms = 1000 * waiting;
    if (!this.sends || this.socket?.readyState !== 1) return;
    const sequence = this.sequence++; // one that is not sent is missed, and becomes silence
    if (this.socket.bufferedAmount > FULL_S * 2 * this.context.sampleRate) return;
    const frame = new Uint8Array(HEAD + pcm.byteLength);
    const head = new DataView(frame.buffer);
    head.setUint8(0, 1), head.setUint8(1, 1), head.setUint32(4, sequence, true);
    head.setFloat64(8, performance.now() - 20, true);
    frame.set(new Uint8Array(pcm), HEAD);
    this.socket.send(frame);
  }

  #play(data) {
    if (!this.node) return;
    const age = performance.now() - new DataView(data).getFloat64(8, true);
    this.way_ms = this.way_ms ? 0.95 * this.way_ms + 0.05 * age : age;
    const samples = data.slice(HEAD);
    this.node.port.postMessage(samples, [samples]);
  }
}
