// The microphone: samples as they are, with their level while they come.

import { T } from "./core.js";
import { wav } from "./store.js";

const PLAIN = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };

export class Microphone {
  // heard(level in 0..1, seconds) is called while something comes in.
  static async open(heard) {
    if (!navigator.mediaDevices) throw new Error(T("The microphone works on this machine or over https only."));
    const stream = await navigator.mediaDevices.getUserMedia({ audio: PLAIN }).catch(() => {
      throw new Error(T("The microphone was not allowed, or there is none."));
    });
    return Object.assign(new Microphone(), { stream, heard }).#start();
  }

  async #start() {
    this.parts = [];
    this.frames = 0;
    this.context = new AudioContext();
    await this.context.audioWorklet.addModule(new URL("capture.worklet.js", import.meta.url));
    const source = this.context.createMediaStreamSource(this.stream);
    const tap = new AudioWorkletNode(this.context, "capture", { numberOfOutputs: 1 });
    tap.port.onmessage = ({ data }) => {
      this.parts.push(data);
      this.frames += data.length;
      const peak = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      this.heard(peak, this.frames / this.context.sampleRate);
    };
    source.connect(tap).connect(this.context.destination); // silent: the node puts nothing out
    return this;
  }

  // Ends it; the recording as a WAV file.
  stop() {
    this.stream.getTracks().forEach((track) => track.stop());
    const rate = this.context.sampleRate;
    this.context.close();
    const whole = new Float32Array(this.frames);
    let place = 0;
    for (const part of this.parts) whole.set(part, place), (place += part.length);
    return wav([whole], rate);
  }
}
