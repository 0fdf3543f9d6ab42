"""The verb distil: a voice too heavy to go live teaches a lite one what to do with speech.

The teacher converts speech; the student learns from the content of the *source* to the sound of the
*teacher*, frame by frame: a conversion keeps the time, so the two need no alignment. Every second
piece is heard as a live conversion hears it. A lite voice has no posterior: it learns by the sound
that a conversion makes, so the trainer that exists does the rest.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rvc import Report, config, files, params, silent
from rvc.audio import io
from rvc.audio.formats import is_sound_name
from rvc.audio.stream import resample
from rvc.dataset import extract, manifest, preprocess, slice_features
from rvc.embedders import SHIPPED
from rvc.embedders.manager import EmbedderManager
from rvc.errors import BadInput
from rvc.infer import voice
from rvc.infer.convert import convert
from rvc.params import Distil
from rvc.params.base import SampleRate
from rvc.train import train

RATE_HZ = 16000
LITE_HZ: SampleRate = 24000
PIECE_S, LEAST_S = 4.0, 1.0
LANGUAGES = ("de", "es", "fr", "pt", "ru")  # of the translations, beside the English keys
SPEAKERS = ("", "+f1", "+f2", "+f3", "+f4", "+m1", "+m2", "+m3")  # espeak's variants
SENTENCE = range(40, 160)  # characters
HOP, CONTEXT, AHEAD = 1280, 16000, 640  # samples at 16 kHz: 80 ms made at a time, 1 s, 40 ms
ROW, EXTRA = 320, 80  # samples of a feature, and those beyond the last one
PITCH = "swift-f0"
Embed = Callable[[np.ndarray], Any]


def run(p: Distil, report: Report = silent) -> dict[str, Any]:
    """Make a lite voice of another voice; goes on where an earlier run stopped.

    Raises:
        BadInput: no speech to convert. VoiceError: the teacher or the training failed; see there.
    """
    folder = config.experiment(p.model_name)
    spoken, taught = folder / "distil" / "spoken", folder / "distil" / "taught"
    count = teach(p, spoken, taught, report)
    preprocess.run(
        params.Preprocess(
            model_name=p.model_name,
            dataset_path=taught,
            sample_rate=LITE_HZ,
            cut_preprocess="Skip",
            speakers="one",
            cpu_cores=1,
        ),
        report,
    )
    extract.run(
        params.Extract(
            model_name=p.model_name,
            sample_rate=LITE_HZ,
            embedder_model=SHIPPED,
            f0_method=PITCH,
            gpu=p.gpu,
        ),
        report,
    )
    replace_content(folder, spoken, report)
    done = train.run(
        params.Train(
            model_name=p.model_name,
            sample_rate=LITE_HZ,
            vocoder="lite",
            total_epoch=p.total_epoch,
            save_every_epoch=min(10, p.total_epoch),
            batch_size=p.batch_size,
            gpu=p.gpu,
        ),
        report,
    )
    said = f"{p.pth_path.name} taught {p.model_name} with {count} pieces of speech: {done['voice']}"
    return done | {"pieces": count, "message": said}


def teach(p: Distil, spoken: Path, taught: Path, report: Report) -> int:
    """Write pieces of speech and what the teacher makes of them; what is there already stays.

    Returns:
        How many pieces there are.

    Raises:
        BadInput: no speech, or another teacher or speech than the earlier run's.
    """
    for place in (spoken, taught):
        place.mkdir(parents=True, exist_ok=True)
    _same_as_before(p, spoken.parent / "distil.json")
    teacher = voice.Voice(p.pth_path, p.index_path, p.gpu, report=report)
    wanted, number = p.minutes * 60 * RATE_HZ, 0
    heard = 0
    for wave in speech(p.dataset_path):
        for begin in range(0, len(wave), round(PIECE_S * RATE_HZ)):
            piece = wave[begin : begin + round(PIECE_S * RATE_HZ)]
            if len(piece) < LEAST_S * RATE_HZ or heard >= wanted:
                continue
            report(min(heard, wanted), wanted, "The teacher speaks")
            name = f"{number:05d}.wav"
            if not (taught / name).is_file():
                made, rate = convert(teacher, piece, RATE_HZ, options(p, teacher))
                io.save(spoken / name, piece, RATE_HZ)
                io.save(taught / name, made, rate)
            number, heard = number + 1, heard + len(piece)
        if heard >= wanted:
            break
    if not number:
        raise BadInput("There is no second of speech to convert.", "Give longer recordings.")
    return number


def options(p: Distil, teacher: voice.Voice) -> params.Conversion:
    """How the teacher converts: at its own pitch where its file knows it."""
    own = teacher.median_f0_hz is not None
    return params.Conversion(f0_method=PITCH, proposed_pitch_auto=own, sid=p.sid, gpu=p.gpu, seed=0)


def _same_as_before(p: Distil, file: Path) -> None:
    now = {
        "teacher": str(p.pth_path.resolve()),
        "index": str(p.index_path.resolve()) if p.index_path else None,
        "speech": str(p.dataset_path.resolve()) if p.dataset_path else None,
        "speaker": p.sid,
    }
    if file.is_file() and json.loads(file.read_text(encoding="utf-8")) != now:
        raise BadInput(
            f"{file.parent} holds the lessons of another teacher or other speech.",
            "Choose another --model-name, or delete that folder.",
        )
    files.write_json(file, now)


def speech(folder: Path | None) -> Iterator[np.ndarray]:
    """Recordings at 16 kHz (T,) of a folder, or else built-in sentences spoken by espeak."""
    if folder is None:
        yield from sentences()
        return
    found = sorted(f for f in folder.rglob("*") if is_sound_name(f))
    if not found:
        raise BadInput(f"{folder} holds no recordings.", "Give a folder with sound files.")
    for file in found:
        yield io.load(file, RATE_HZ)[0]


def sentences() -> Iterator[np.ndarray]:
    """What the page says, in six languages and eight voices; always in the same order."""
    from rvc.tts import espeak

    told: list[tuple[str, str]] = []
    for language in LANGUAGES:
        file = config.ASSETS / "i18n" / f"{language}.json"
        texts = json.loads(file.read_text(encoding="utf-8"))
        told += [(language, text) for text in texts.values() if len(text) in SENTENCE]
        if language == LANGUAGES[0]:
            told += [("en", text) for text in texts if len(text) in SENTENCE]
    random.Random(0).shuffle(told)
    for number, (language, text) in enumerate(told):
        wave, rate = espeak.speak(text, language + SPEAKERS[number % len(SPEAKERS)])
        yield resample(wave, rate, RATE_HZ)


def replace_content(folder: Path, spoken: Path, report: Report) -> None:
    """Put the source's content in the place of the teacher's: of odd pieces as heard live."""
    sources = manifest.require(folder, "preprocess").details["sources"]
    embed = EmbedderManager(report).load(SHIPPED)
    for number, (key, entry) in enumerate(sorted(sources.items())):
        report(number, len(sources), "Hearing the source")
        wave = io.load(spoken / Path(key).name, RATE_HZ)[0]
        hear = streamed if int(Path(key).stem) % 2 else whole
        for name in entry["slices"]:
            file = slice_features.paths(folder, Path(name).stem)[0]
            rows = len(np.load(file))
            features = hear(embed, wave)
            index = np.minimum(np.arange(rows), len(features) - 1)
            slice_features.save(file, features[index])


def whole(embed: Embed, wave_16k: np.ndarray) -> np.ndarray:
    """(T,) -> (T // 320, W) as a conversion of a file hears it."""
    wave = np.pad(wave_16k, (0, EXTRA))
    return np.array(embed(wave), np.float32)[: len(wave_16k) // ROW]


def streamed(embed: Embed, wave_16k: np.ndarray) -> np.ndarray:
    """(T,) -> (T // 320, W) as a live conversion hears it: 1 s before, 40 ms after each hop."""
    padded = np.pad(wave_16k, (CONTEXT, HOP + AHEAD + EXTRA))
    out = []
    for begin in range(0, len(wave_16k), HOP):
        window = padded[begin : begin + CONTEXT + HOP + AHEAD + EXTRA]
        rows = np.array(embed(window), np.float32)
        out.append(rows[CONTEXT // ROW : (CONTEXT + HOP) // ROW])
    return np.concatenate(out)[: len(wave_16k) // ROW]
