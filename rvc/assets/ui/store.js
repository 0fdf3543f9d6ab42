// Recordings on their way to the server, and what it says of those it has.

import { apiUrl, ask } from "./core.js";

const at = (path, query) => `${path}?${new URLSearchParams(query)}`;
const POST = { method: "POST" };

// Send a file; `dataset` makes it join a set, "" a new one. Returns { path, folder }.
export const store = (file, name, dataset) =>
  ask(at("files", { name, ...(dataset === undefined ? {} : { dataset }) }), { ...POST, body: file });

export const factsOf = (path) => ask(at("recordings/facts", { path }));
export const listing = (folder = "", limit = 300) => ask(at("recordings", { folder, limit }));
export const lengthOf = (folder) => ask(at("recordings/length", { folder }));
export const remove = (path) => ask(at("recordings/remove", { path }), POST);
export const restore = (token) => ask(at("recordings/restore", { token }), POST);

// The files of a drop or of a field, those within dropped folders too.
export async function filesOf(given) {
  if (!given.items) return [...(given.files ?? [])];
  const entries = [...given.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  return (await Promise.all(entries.map(within))).flat();
}

async function within(entry) {
  if (entry.isFile) return [await new Promise((found, lost) => entry.file(found, lost))];
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((found, lost) => reader.readEntries(found, lost));
    if (!some.length) break;
    inside.push(...some);
  }
  return (await Promise.all(inside.map(within))).flat();
}

// Samples (one Float32Array per channel) as a WAV file of 32-bit floats.
export function wav(channels, rate) {
  const frames = channels[0].length;
  const head = new DataView(new ArrayBuffer(44));
  const say = (place, text) => [...text].forEach((c, i) => head.setUint8(place + i, c.charCodeAt(0)));
  const bytes = 4 * frames * channels.length;
  say(0, "RIFF"), head.setUint32(4, 36 + bytes, true), say(8, "WAVEfmt "), head.setUint32(16, 16, true);
  head.setUint16(20, 3, true), head.setUint16(22, channels.length, true), head.setUint32(24, rate, true);
  head.setUint32(28, 4 * rate * channels.length, true), head.setUint16(32, 4 * channels.length, true);
  head.setUint16(34, 32, true), say(36, "data"), head.setUint32(40, bytes, true);
  const body = new Float32Array(frames * channels.length);
  channels.forEach((channel, c) => channel.forEach((x, i) => (body[i * channels.length + c] = x)));
  return new Blob([head, body], { type: "audio/wav" });
}

// A stretch of a sound that the browser can play, at its full width.
export async function cut(path, from_s, to_s) {
  const bytes = await (await fetch(apiUrl("files/" + encodeURIComponent(path)))).arrayBuffer();
  const whole = await new OfflineAudioContext(2, 1, 48000).decodeAudioData(bytes);
  const [a, b] = [from_s, to_s].map((s) => Math.round(s * whole.sampleRate));
  const channels = Array.from({ length: whole.numberOfChannels }, (_, c) => whole.getChannelData(c).slice(a, b));
  return wav(channels, whole.sampleRate);
}
