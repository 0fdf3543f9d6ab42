// Hands the microphone's samples on as they come: nothing is coded, so nothing is lost.
registerProcessor(
  "capture",
  class extends AudioWorkletProcessor {
    process([channels]) {
      if (channels.length) this.port.postMessage(channels[0].slice());
      return true;
    }
  },
);
