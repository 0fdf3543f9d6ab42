// What kind of work a job is, in the words of the page, and what it is about.

import { T, baseName } from "./core.js";

const TITLES = {
  "infer": T("Conversion"),
  "batch-infer": T("Conversion of many recordings"),
  "cover": T("Song"),
  "separate": T("Separation"),
  "tts": T("Speech"),
  "realtime": T("Live"),
  "create-voice": T("Training"),
  "train": T("Training"),
  "distil": T("Live version of a voice"),
  "preprocess": T("Cut recordings"),
  "extract": T("Pitch and features"),
  "index": T("Index"),
  "evaluate": T("Evaluation of a voice"),
  "voices": T("List of voices"),
  "voice-sample": T("Sample of a voice"),
  "import-voice": T("Import"),
  "download": T("Download"),
  "export-voice": T("Pack a voice"),
  "export-onnx": T("Export to ONNX"),
  "model-blender": T("Voice Blender"),
  "model-information": T("Model information"),
  "model-edit": T("Name and author of a voice"),
  "model-extract": T("Voice from a training checkpoint"),
  "model-convert": T("Convert a voice file"),
  "rename-voice": T("Rename"),
  "delete-voice": T("Delete a voice"),
  "restore-voice": T("Restore"),
  "empty-trash": T("Empty the trash"),
  "f0-curve": T("Pitch curve"),
  "audio-analyzer": T("Audio analyser"),
  "dataset-report": T("Recordings report"),
  "prerequisites": T("Model files"),
  "assets": T("Model files"),
  "base-models": T("Model files"),
  "tensorboard": T("TensorBoard"),
  "doctor": T("Check this installation"),
  "demo": T("Demonstration"),
};
export const verbTitle = (verb) => TITLES[verb] ?? verb.replaceAll("-", " ");

// The names of the voices that a job works with or on.
export function voicesOf({ params: p }) {
  const files = [p.pth_path, p.pth_path_1, p.pth_path_2].flat().filter(Boolean);
  return [...new Set([...files.map(voiceName), ...(p.model_name ? [p.model_name] : [])])];
}

// A voice file by its name; the best of a training by that of its folder.
function voiceName(path) {
  const name = baseName(path).replace(/\.\w+$/, "");
  return name === "best" ? `${baseName(path.replace(/[\\/][^\\/]*$/, ""))} best` : name;
}

// The recording, folder or text that a job began with; "" where it is about a voice only.
export function subjectOf({ params: p }) {
  return baseName(String(p.input_path ?? p.input_folder ?? p.source ?? p.tts_text ?? "")).slice(0, 60);
}
