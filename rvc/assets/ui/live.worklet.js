// Both ends of live sound: cuts what is heard into frames of 20 ms, and plays what comes back from a
// buffer that is as short as the network allows.
const FRAME_S = 0.02;
const LEAST_S = 0.04, MOST_S = 0.25; // waiting before it is played
const SPARE_S = 0.06; // more than is needed, from when on it is played a little faster
const FASTER = 1.005;
const FADE_S = 0.005;
const CALM_S = 10; // without a gap, until less is kept waiting

registerProcessor(
  "live",
  class extends AudioWorkletProcessor {
    constructor() {
      super();
      this.frame = new Int16Array(Math.round(FRAME_S * sampleRate));
      this.filled = 0;
      this.ring = new Float32Array(sampleRate);
      [this.read, this.write, this.gain, this.gaps] = [0, 0, 0, 0];
      this.target = LEAST_S * sampleRate;
      this.playing = false;
      this.calm = this.over = 0;
      this.port.onmessage = ({ data }) => this.take(new Int16Array(data));
    }

    get waiting() {
      return this.write - this.read;
    }

    take(samples) {
      for (const sample of samples) this.ring[this.write++ % this.ring.length] = sample / 32767;
      if (this.waiting > MOST_S * sampleRate + samples.length) this.read = this.write - this.target;
      if (this.waiting >= this.target) this.playing = true;
    }

    process([[heard]], [out]) {
      if (heard) this.hear(heard);
      this.play(out);
      return true;
    }

    hear(samples) {
      for (const sample of samples) {
        this.frame[this.filled++] = Math.max(-1, Math.min(1, sample)) * 32767;
        if (this.filled < this.frame.length) continue;
        const sent = this.frame.slice();
        this.port.postMessage({ pcm: sent.buffer, waiting: this.waiting / sampleRate, gaps: this.gaps }, [sent.buffer]);
        this.filled = 0;
      }
    }

    play(out) {
      const [first] = out;
      const size = first.length;
      this.over = this.waiting > this.target + SPARE_S * sampleRate ? this.over + size : 0;
      const step = this.over > 2 * sampleRate ? FASTER : 1;
      const fade = 1 / (FADE_S * sampleRate);
      for (let i = 0; i < size; i++) {
        const ends = this.waiting <= FADE_S * sampleRate; // so that it fades before there is nothing
        this.gain = Math.max(0, Math.min(1, this.gain + (this.playing && !ends ? fade : -fade)));
        if (this.waiting < 2) {
          if (this.playing) this.gap();
          first[i] = 0;
          continue;
        }
        if (!this.playing) continue;
        const at = Math.floor(this.read);
        const [a, b] = [this.ring[at % this.ring.length], this.ring[(at + 1) % this.ring.length]];
        first[i] = this.gain * (a + (this.read - at) * (b - a));
        this.read += step;
      }
      this.calm += size;
      if (this.calm > CALM_S * sampleRate) {
        this.calm = 0;
        this.target = Math.max(LEAST_S * sampleRate, this.target * 0.8);
      }
      for (const channel of out.slice(1)) channel.set(first);
    }

    gap() {
      this.playing = false;
      this.gaps++;
      this.calm = 0;
      this.target = Math.min(MOST_S * sampleRate, this.target + FRAME_S * sampleRate);
    }
  },
);
