// Whether a result was made from other values than the page shows now.

const PARAMETER = { recording: "input_path", song: "input_path", folder: "input_folder", voice: "pth_path", text: "tts_text" };
const plain = (value) => String([value ?? ""].flat()[0] ?? "");

export function differs(job, forms) {
  return forms.some((form) =>
    Object.entries(window.voice.values?.(form) ?? {}).some(([name, value]) => {
      const parameter = PARAMETER[name] ?? name;
      if (!(parameter in job.params)) return false;
      if (plain(value) === "" && !PARAMETER[name]) return false; // left to the program
      return plain(value) !== plain(job.params[parameter]);
    }),
  );
}
