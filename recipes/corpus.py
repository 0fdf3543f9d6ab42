"""The kit's second corpus: natural speech at 24 kHz in ten languages by people who do not exist.

48 speakers (blends of Kokoro-82M's published style tables), one Piper reader, a little formant
speech of espeak-ng, and the prompts that real people recorded for Asterisk. Every utterance is
drawn from its number alone, so the corpus is the same on every machine, may be stopped at any time
and goes on where it was. Of each there is also one version that went through a telephone, a room or
noise. `--portrait` adds sentences of all languages by one speaker, each said by others in the same
rhythm too: sources and targets of that voice, frame by frame. Development-time only.

Writes OUT/kokoro, OUT/joe, OUT/espeak, OUT/prompts (FLAC) and OUT/manifest.jsonl: one line for
every utterance, written when its sound is there.
Use: python recipes/corpus.py OUT --voices VOICES [--hours H] [--portrait NAME --sentences N]
     [--guide FOLDER] [--prompts FOLDER]
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes import formant, joe, prompts
from recipes.degrade import KINDS, degraded
from recipes.kokoro import RATE_HZ, Kokoro, Melody, blend, tables
from recipes.phonemes import ipa
from recipes.sentences import GUIDE, HELD_OUT, LANGUAGES, sentences

SEED = 40
SHARES = (0.22, 0.12, 0.12, 0.11, 0.10, 0.10, 0.08, 0.06, 0.05, 0.04)  # of LANGUAGES
HOMES = ("en",) * 14 + ("es", "fr", "it", "pt", "zh") * 6 + ("ja",) * 4
UNSEEN = (4, 17, 30, 43)  # numbers of the speakers who are for judging only
BANKS = {"en": "ab", "es": "e", "fr": "f", "it": "i", "pt": "p", "ja": "j", "zh": "z"}
AT_HOME = 0.7  # share of a language that is spoken by its own speakers
TWIN = 6  # one utterance in so many is the one before it by another speaker, frame by frame
JOE = 25  # five in so many of the English ones are Piper's
SUNG, SHIFTED = 0.10, 0.12  # shares with an edited pitch
FORMANT = 40  # utterances of espeak-ng in each language
FORMANT_UNSEEN = "f1"
SEX_GAP = 9.0  # semitones between a man's and a woman's speech
PORTRAIT, JUDGED = 1_000_000, 2_000_000  # the numbers of these begin here
ALSO = 2  # others who say each sentence of a portrait


@dataclass(frozen=True)
class Speaker:
    """A blend: its name, sex (f or m), home language, and the published voices it is made of."""

    name: str
    sex: str
    home: str
    blend: dict[str, float]
    seed: int


@dataclass(frozen=True)
class Utterance:
    """What is to be said, by whom and how; `timing` is the speaker whose rhythm it has."""

    number: int
    speaker: Speaker
    language: str
    text: str
    split: str
    speed: float
    melody: Melody | None
    timing: Speaker


def speakers(names: list[str]) -> list[Speaker]:
    """All of them, drawn from the published voices; half of the weight is of the home language."""
    found = []
    for number, home in enumerate(HOMES):
        rng = np.random.default_rng([SEED, number])
        sex = "fm"[number % 2]
        same = [name for name in names if name[1] == sex]
        bank = [name for name in same if name[0] in BANKS[home]]
        bank = bank or [name for name in same if name[0] in "eip"]  # no published French man
        chosen = {str(rng.choice(bank)): 0.5}
        for name, weight in zip(rng.choice(same, 3, replace=False), rng.dirichlet([1.0] * 3)):  # noqa: B905
            chosen[str(name)] = chosen.get(str(name), 0.0) + 0.5 * float(weight)
        chosen = {name: round(weight, 4) for name, weight in chosen.items()}
        found.append(Speaker(f"{home}-{sex}{number:02d}", sex, home, chosen, SEED + number))
    return found


def plan(people: list[Speaker], guide: Path) -> Iterator[Utterance]:
    """Every utterance there will ever be, in order; the same whatever was made before."""
    texts = {language: sentences(language, guide) for language in LANGUAGES}
    said = dict.fromkeys(LANGUAGES, 0)
    rng = np.random.default_rng(SEED)
    before: Utterance | None = None
    number = -1
    while True:
        number += 1
        if before is not None and number % TWIN == TWIN - 1:
            yield _twin(before, number, people, rng)
            continue
        language = str(rng.choice(LANGUAGES, p=SHARES))
        own = [person for person in people if person.home == language]
        able = own if own and rng.random() < AT_HOME else people
        person = able[int(rng.integers(len(able)))]
        place = said[language] % len(texts[language])
        said[language] += 1
        unseen = people.index(person) in UNSEEN or place >= len(texts[language]) - HELD_OUT
        before = Utterance(
            number,
            person,
            language,
            texts[language][place],
            "held_out" if unseen else "train",
            round(float(rng.uniform(0.85, 1.15)), 3),
            _melody(rng, person.sex),
            person,
        )
        yield before


def _melody(rng: np.random.Generator, sex: str) -> Melody | None:
    drawn = rng.random()
    if drawn < SUNG:
        shift = float(rng.uniform(-3, 9) if sex == "f" else rng.uniform(-5, 12))
        step_s, vibrato = float(rng.uniform(0.2, 0.6)), float(rng.uniform(0.1, 0.6))
        seed = int(rng.integers(1 << 30))
        return Melody(round(shift, 2), round(step_s, 3), round(vibrato, 2), seed)
    if drawn < SUNG + SHIFTED:
        return Melody(round(float(rng.choice([-1, 1]) * rng.uniform(2, 7)), 2))
    return None


def _twin(
    first: Utterance, number: int, people: list[Speaker], rng: np.random.Generator
) -> Utterance:
    """The same sentence in the same rhythm by somebody else, at that sex's pitch."""
    person = people[int(rng.integers(len(people)))]
    gap = {"fm": -SEX_GAP, "mf": SEX_GAP}.get(first.speaker.sex + person.sex, 0.0)
    melody = first.melody or Melody()
    unseen = first.split == "held_out" or people.index(person) in UNSEEN
    return dataclasses.replace(
        first,
        number=number,
        speaker=person,
        split="held_out" if unseen else "train",
        melody=dataclasses.replace(melody, shift=round(melody.shift + gap, 2)),
    )


def portrait(name: str, people: list[Speaker], guide: Path, count: int) -> Iterator[Utterance]:
    """`count` sentences by one speaker, in all languages, each followed by its twins."""
    model = next(person for person in people if person.name == name)
    texts = {language: sentences(language, guide)[:-HELD_OUT] for language in LANGUAGES}
    for place in range(count):
        rng = np.random.default_rng([SEED, PORTRAIT + place])
        language = str(rng.choice(LANGUAGES, p=SHARES))
        text = str(rng.choice(texts[language]))
        speed = round(float(rng.uniform(0.85, 1.15)), 3)
        number = PORTRAIT + place * (ALSO + 1)
        melody = _melody(rng, model.sex)
        first = Utterance(number, model, language, text, "train", speed, melody, model)
        yield first
        for other in range(1, ALSO + 1):
            yield _twin(first, number + other, people, rng)


def judged(people: list[Speaker], guide: Path, each: int) -> Iterator[Utterance]:
    """Held-out sentences by held-out speakers, `each` in every language."""
    for base, language in enumerate(LANGUAGES):
        for place, text in enumerate(sentences(language, guide)[-HELD_OUT:][:each]):
            person = people[UNSEEN[place % len(UNSEEN)]]
            number = JUDGED + base * HELD_OUT + place
            yield Utterance(number, person, language, text, "held_out", 1.0, None, person)


class Corpus:
    """The folder: what is there, and how something is added to it."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.manifest = out / "manifest.jsonl"
        out.mkdir(parents=True, exist_ok=True)
        self.done: dict[str, float] = {}  # seconds by file
        if self.manifest.exists():
            text = self.manifest.read_text(encoding="utf-8")
            whole = text[: text.rfind("\n") + 1]
            if whole != text:  # cut off while a line was written
                self.manifest.write_text(whole, encoding="utf-8")
            for line in whole.splitlines():
                row = json.loads(line)
                self.done[row["file"]] = row["seconds"]

    def hours(self, folder: str) -> float:
        """Of speech that is there already."""
        return sum(s for file, s in self.done.items() if file.startswith(folder)) / 3600

    def add(self, file: str, wave: np.ndarray, seed: int, facts: dict[str, Any]) -> None:
        """Write a sound (N,) at 24 kHz, one degraded version of it, and its line."""
        peak = max(1e-6, float(np.abs(wave).max()))
        wave = wave * min(1.0, 0.95 / peak)
        kind = KINDS[seed % len(KINDS)]
        version = file.replace(".flac", f".{kind}.flac")
        for name, sound in ((file, wave), (version, degraded(wave, RATE_HZ, kind, seed))):
            (self.out / name).parent.mkdir(parents=True, exist_ok=True)
            sf.write(self.out / name, sound, RATE_HZ, subtype="PCM_16")
        row = {"file": file, "seconds": round(len(wave) / RATE_HZ, 3), **facts}
        row["versions"] = {kind: version}
        with self.manifest.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row, ensure_ascii=False) + "\n")
        self.done[file] = row["seconds"]


def formants(corpus: Corpus, guide: Path) -> None:
    """Speak the first sentences of every language with espeak-ng, its variants in turn."""
    voice: formant.Formant | None = None
    for base, language in enumerate(formant.VOICES):
        for place, text in enumerate(sentences(language, guide)[:FORMANT]):
            number = base * FORMANT + place
            file = f"espeak/{language}/{number:06d}.flac"
            if file in corpus.done:
                continue
            voice = voice or formant.Formant()
            variant = formant.VARIANTS[place % len(formant.VARIANTS)]
            spoken = voice.speak(text, language, variant, number)
            facts = {
                "number": number,
                "language": language,
                "text": text,
                "speaker": f"espeak-{variant}",
                "sex": variant[0],
                "split": "held_out" if variant == FORMANT_UNSEEN else "train",
                "timing": f"espeak-{variant}",
                "speed": number,  # drawn for each: no two are alike in time
                "phones": spoken.phones,
            }
            corpus.add(file, spoken.wave, number, facts)


def synthesise(
    corpus: Corpus, voices: Path, guide: Path, hours: float, of_one: tuple[str, int], each: int
) -> None:
    """Speak what is to be judged, the portrait, then on until there are `hours` of such speech."""
    kokoro, published = Kokoro(corpus.out / "network"), tables(voices)
    alphabet = frozenset(kokoro.numbers)
    people = speakers(sorted(published))
    style = {p.name: blend(published, p.blend, p.seed) for p in people}
    reader = joe.Joe()
    wanted = itertools.chain(
        judged(people, guide, each),
        portrait(of_one[0], people, guide, of_one[1]) if of_one[0] else (),
        plan(people, guide),
    )
    for one in wanted:
        if one.number < PORTRAIT and corpus.hours("kokoro") + corpus.hours("joe") >= hours:
            return
        planned = one.number < PORTRAIT and one.timing == one.speaker
        by_joe = planned and one.language == "en" and one.number % JOE < JOE * 0.2
        file = f"{'joe' if by_joe else 'kokoro'}/{one.number // 500:03d}/{one.number:06d}.flac"
        if file in corpus.done:
            continue
        facts: dict[str, Any] = {"number": one.number, "language": one.language, "text": one.text}
        if by_joe:
            wave, said = reader.speak(one.text, one.number)
            facts |= {"speaker": "joe", "sex": "m", "ipa": said, "split": one.split, "phones": []}
        else:
            said = ipa(one.text, one.language, alphabet)
            timing = style[one.timing.name]
            spoken = kokoro.speak(said, style[one.speaker.name], one.speed, one.melody, timing)
            wave = spoken.wave
            facts |= {
                "speaker": one.speaker.name,
                "sex": one.speaker.sex,
                "ipa": said,
                "split": one.split,
                "blend": one.speaker.blend,
                "seed": one.speaker.seed,
                "speed": one.speed,
                "melody": dataclasses.asdict(one.melody) if one.melody else None,
                "timing": one.timing.name,
                "phones": spoken.phones,
            }
        corpus.add(file, wave, one.number, facts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--voices", type=Path, required=True, help="kokoro-js's folder voices")
    parser.add_argument("--hours", type=float, default=4.0, help="of synthetic speech")
    parser.add_argument("--portrait", default="", help="a speaker's name, such as en-f00")
    parser.add_argument("--sentences", type=int, default=180, help="of the portrait")
    parser.add_argument("--judged", type=int, default=4, help="held-out sentences of a language")
    parser.add_argument("--guide", type=Path, default=GUIDE)
    parser.add_argument("--prompts", type=Path, default=Path("/usr/share"), help="of Asterisk")
    a = parser.parse_args()
    corpus = Corpus(a.out)
    formants(corpus, a.guide)  # before Kokoro, whose phonemes need the same library otherwise
    synthesise(corpus, a.voices, a.guide, a.hours, (a.portrait, a.sentences), a.judged)
    for number, (file, wave, facts) in enumerate(prompts.all_prompts(a.prompts)):
        if file not in corpus.done:
            corpus.add(file, wave(), number, facts)


if __name__ == "__main__":
    main()
