"""The kit's corpus: everything spoken that a bare Debian machine can hold, as 24 kHz clips.

Development-time only. Needs Debian's flite, festival + festvox-us-slt-hts + festvox-kdlpc16k,
espeak-ng, ffmpeg and asterisk-core-sounds-{en,es,fr,it,ru}-g722. Writes <out>/<speaker>/<n>.wav,
<out>/index.json with [{speaker, file, text, phones, band_hz}] and nothing else.
Use: python recipes/corpus.py OUT
"""

from __future__ import annotations

import ast
import gzip
import json
import random
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

RATE_HZ = 24000
SEED = 20
SOUNDS = Path("/usr/share/asterisk/sounds")
HUMANS = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
LICENCES = ("Artistic", "GPL-2", "Apache-2.0", "GPL-3", "MPL-2.0", "GFDL-1.3", "LGPL-2.1")
ESPEAK = ("en-us+m1", "en-us+f2", "en-gb+m3", "en-us+f4", "es+f1", "fr+m2", "it+f3", "de+m5")
SECONDS_HZ = {"slt-hts": 16000, "espeak": 11025}  # half of the native rate


def licence_sentences() -> list[str]:
    """Sentences of 40 to 120 characters from the licences that every Debian machine holds."""
    folder = Path("/usr/share/common-licenses")
    text = " ".join((folder / n).read_text() for n in LICENCES if (folder / n).exists())
    return _sentences(text)


def library_sentences() -> list[str]:
    """Sentences from the docstrings of Python's standard library: plainer, shorter English."""
    found: list[str] = []
    for file in sorted(Path(ast.__file__).parent.glob("*.py")):
        try:
            tree = ast.parse(file.read_text())
        except (SyntaxError, UnicodeDecodeError):
            continue
        kinds = (ast.FunctionDef, ast.ClassDef, ast.Module)
        docs = (ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, kinds))
        found += _sentences(". ".join(doc for doc in docs if doc))
    return found


def prompt_texts(language: str) -> dict[str, str]:
    """What each prompt of a language says, by file name without ending."""
    name = f"/usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    with gzip.open(name, "rt", encoding="utf-8", errors="replace") as file:
        pairs = (line.split(":", 1) for line in file if ":" in line and line[0] != ";")
        return {key.strip(): text.strip() for key, text in pairs}


def _sentences(text: str) -> list[str]:
    parts = re.split(r"[.;]\s", re.sub(r"\s+", " ", text))
    plain = [p.strip() for p in parts if re.fullmatch(r"[A-Za-z ,'-]{40,120}", p.strip())]
    return [p for p in dict.fromkeys(plain) if not re.search(r"[A-Z]{3}|[a-z][A-Z]", p)]


def _write(out: Path, wave: np.ndarray, rate_hz: int) -> None:
    wave = soxr.resample(wave, rate_hz, RATE_HZ, quality="VHQ")
    loud = np.flatnonzero(np.abs(wave) > 0.01 * max(np.abs(wave).max(), 1e-6))
    pad = RATE_HZ // 10
    wave = wave[max(0, loud[0] - pad) : loud[-1] + pad]
    sf.write(out, wave / max(1.0, np.abs(wave).max() / 0.95), RATE_HZ, subtype="PCM_16")


def speak(engine: str, voice: str, text: str, out: Path) -> list[tuple[str, float]]:
    """Speak `text` to `out` at 24 kHz; the (phone, end in s) list where the engine gives it."""
    raw = out.with_suffix(".raw.wav")
    if engine == "flite":
        order = ["flite", "-voice", voice, "-psdur", "-t", text, "-o", str(raw)]
    elif engine == "festival":
        order = ["text2wave", "-eval", f"(voice_{voice})", "-o", str(raw)]
    else:
        pace = 140 + sum(map(ord, text)) % 40
        order = ["espeak-ng", "-v", voice, "-s", str(pace), "-w", str(raw), text]
    said = subprocess.run(order, input=text, capture_output=True, text=True, check=True)
    wave, rate_hz = sf.read(raw, dtype="float32")
    raw.unlink()
    if engine == "flite":  # untrimmed, so that the phones' times stay true
        wave = soxr.resample(wave, rate_hz, RATE_HZ, quality="VHQ")
        sf.write(out, wave, RATE_HZ, subtype="PCM_16")
        return [(p.split(":")[0], float(p.split(":")[1])) for p in said.stdout.split()]
    _write(out, wave, rate_hz)
    return []


def plan() -> list[tuple[str, str, str, list[str]]]:
    """(speaker, engine, voice, sentences) of every synthetic speaker."""
    rng = random.Random(SEED)
    pool = library_sentences() + licence_sentences()
    prompts = [t for t in prompt_texts("en").values() if 30 < len(t) < 140]
    rng.shuffle(pool)
    rng.shuffle(prompts)
    shared = pool[:250] + prompts[:100]  # spoken by every English voice: parallel frames
    own = iter(pool[250:])
    more = lambda n: [s for _, s in zip(range(n), own, strict=False)]  # noqa: E731
    jobs = [
        ("slt-hts", "festival", "cmu_us_slt_arctic_hts", shared + more(200)),
        *((v, "flite", v, shared + more(20)) for v in ("slt", "rms", "awb")),
        ("ked", "festival", "ked_diphone", shared[:120]),
    ]
    for voice in ESPEAK:
        language = voice[:2]
        texts = shared[:60]
        if language in ("es", "fr", "it"):
            texts = [t for t in prompt_texts(language).values() if 30 < len(t) < 140][:60]
        jobs.append((f"espeak-{voice}", "espeak", voice, texts))
    return jobs


def humans(out: Path) -> list[dict]:
    """The recorded prompts of five languages (Debian, CC-BY-SA and CC-BY; 16 kHz)."""
    rows = []
    for language, folder in HUMANS.items():
        texts = prompt_texts(language)
        for number, file in enumerate(sorted((SOUNDS / folder).rglob("*.g722"))):
            if file.stat().st_size < 10000 or "silence" in file.parts:
                continue
            order = ["ffmpeg", "-loglevel", "error", "-i", str(file), "-f", "f32le", "-ar", "16000"]
            raw = subprocess.run([*order, "-"], capture_output=True, check=True).stdout
            target = out / language / f"{number:04d}.wav"
            target.parent.mkdir(parents=True, exist_ok=True)
            _write(target, np.frombuffer(raw, np.float32), 16000)
            key = str(file.relative_to(SOUNDS / folder).with_suffix(""))
            row = {"speaker": language, "file": f"{language}/{target.name}", "prompt": key}
            rows.append(row | {"text": texts.get(key, ""), "phones": [], "band_hz": 8000})
    return rows


def main(out: Path) -> None:
    """Speak and decode everything, two at a time."""
    rows = humans(out)
    for speaker, engine, voice, texts in plan():
        (out / speaker).mkdir(parents=True, exist_ok=True)

        def one(item: tuple[int, str], s=speaker, e=engine, v=voice) -> dict:
            number, text = item
            file = out / s / f"{number:04d}.wav"
            phones = speak(e, v, text, file)
            band = SECONDS_HZ.get(s.split("-")[0] if e == "espeak" else s, 8000)
            row = {"speaker": s, "file": f"{s}/{file.name}", "text": text, "phones": phones}
            return row | {"band_hz": band}

        with ThreadPoolExecutor(2) as pool:
            rows += list(pool.map(one, enumerate(texts)))
        print(speaker, len(texts), flush=True)
    (out / "index.json").write_text(json.dumps(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
