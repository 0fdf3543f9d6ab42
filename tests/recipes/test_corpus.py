"""The corpus of the kit: what is drawn from seeds stays the same, and is what its name says."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest

from recipes import corpus, degrade, manifest, sentences
from recipes.kokoro import FRAME, RATE_HZ, Melody, blend

PUBLISHED = [f"{bank}{sex}_{n}" for bank in "abefhijpz" for sex in "fm" for n in range(3)]


def utterances(folder: Path, count: int) -> list[corpus.Utterance]:
    people = corpus.speakers(PUBLISHED)
    return list(itertools.islice(corpus.plan(people, folder), count))


def test_every_language_has_hundreds_of_different_sentences() -> None:
    for language in sentences.LANGUAGES:
        found = sentences.combined(language)
        assert len(set(found)) == len(found) >= 280, language


def test_the_guide_gives_whole_translated_sentences(tmp_path: Path) -> None:
    same = "<p>This sentence was never translated by anybody at all.</p>"
    pages = {
        "en": f"{same}<p>Type <b>ls -l</b> to see 3 files in the folder of the disk.</p>",
        "de": f"{same}<p>Dieser Satz ist\n ganz und <i>gar</i> auf Deutsch geschrieben. Kurz.</p>",
    }
    for language, page in pages.items():
        (tmp_path / language).mkdir()
        (tmp_path / language / "a.html").write_text(page, encoding="utf-8")
    assert sentences.guide("de", tmp_path) == [
        "Dieser Satz ist ganz und gar auf Deutsch geschrieben."
    ]
    assert sentences.guide("en", tmp_path) == [same[3:-4]]  # digits and signs are not read aloud


def test_the_plan_is_the_same_every_time_and_covers_what_it_promises(tmp_path: Path) -> None:
    first = utterances(tmp_path, 2400)
    assert first[:300] == utterances(tmp_path, 300)
    assert {u.language for u in first} == set(sentences.LANGUAGES)
    assert len({u.speaker.name for u in first}) >= 40
    sexes = [u.speaker.sex for u in first]
    assert 0.4 < sexes.count("f") / len(sexes) < 0.6
    sung = sum(u.melody is not None and u.melody.step_s > 0 for u in first) / len(first)
    assert 0.07 < sung < 0.14
    unseen = {corpus.speakers(PUBLISHED)[i].name for i in corpus.UNSEEN}
    assert not unseen & {u.speaker.name for u in first if u.split == "train"}


def test_a_twin_is_the_same_but_for_its_speaker_and_its_pitch(tmp_path: Path) -> None:
    said = utterances(tmp_path, 600)
    pairs = [(a, b) for a, b in itertools.pairwise(said) if b.timing != b.speaker]
    assert len(pairs) > 60
    for a, b in pairs:
        assert (a.text, a.speed, a.timing) == (b.text, b.speed, b.timing)
        gap = (b.melody.shift if b.melody else 0) - (a.melody.shift if a.melody else 0)
        expected = {"fm": -1, "mf": 1}.get(a.speaker.sex + b.speaker.sex, 0)
        assert np.sign(round(gap, 1)) == expected


def test_a_blend_is_nobody_and_itself_again() -> None:
    tables = {name: np.full((510, 1, 256), i, np.float32) for i, name in enumerate("ab")}
    mixed = blend(tables, {"a": 0.25, "b": 0.75}, 7)
    assert mixed.shape == (510, 1, 256)
    assert np.array_equal(mixed, blend(tables, {"a": 0.25, "b": 0.75}, 7))
    assert not np.array_equal(mixed, blend(tables, {"a": 0.25, "b": 0.75}, 8))
    assert mixed.mean() == pytest.approx(0.75, abs=0.02)


def test_a_melody_moves_voiced_pitch_alone() -> None:
    hz = np.where(np.arange(400) % 100 < 70, 180.0, 3.0)
    up = Melody(shift=12).applied(hz)
    assert up[hz > 30] == pytest.approx(360)
    assert np.array_equal(up[hz < 30], hz[hz < 30])
    sung = Melody(step_s=0.5, seed=2).applied(hz)[hz > 30]
    semitones = 12 * np.log2(sung / 180)
    steady = np.abs(semitones - np.round(semitones)) < 0.01
    assert steady.mean() > 0.8  # notes, with short glides between them
    assert len(np.unique(np.round(semitones[steady]))) > 2
    assert 400 * FRAME / 2 / RATE_HZ == 5.0  # so there was time for ten


def test_ways_of_spoiling_speech_keep_time_and_level_and_depend_on_the_seed() -> None:
    rng = np.random.default_rng(0)
    wave = (rng.standard_normal(24000) * np.hanning(24000) * 0.2).astype(np.float32)
    for kind in degrade.KINDS:
        one, again, other = (degrade.degraded(wave, 24000, kind, seed) for seed in (1, 1, 2))
        assert one.shape == wave.shape
        assert np.array_equal(one, again)
        assert not np.array_equal(one, other)
        assert np.abs(one).max() == pytest.approx(np.abs(wave).max(), rel=1e-4)


def test_a_telephone_has_no_treble_and_no_bass() -> None:
    wave = np.random.default_rng(3).standard_normal(48000).astype(np.float32)
    power = np.abs(np.fft.rfft(degrade.degraded(wave, 24000, "telephone", 4))) ** 2
    hz = np.fft.rfftfreq(48000, 1 / 24000)
    inside = power[(hz > 500) & (hz < 3000)].mean()
    assert 10 * np.log10(inside / power[hz < 100].mean()) > 20
    assert 10 * np.log10(inside / power[hz > 4300].mean()) > 30


def test_noise_is_no_louder_than_speech() -> None:
    time_s = np.arange(24000) / 24000
    wave = np.sin(2 * np.pi * 220 * time_s).astype(np.float32) * 0.3
    for seed in range(12):
        noisy = degrade.degraded(wave, 24000, "noise", seed)
        gain = float(noisy @ wave / (wave @ wave))
        rest = noisy - gain * wave
        snr_db = 10 * np.log10(np.mean((gain * wave) ** 2) / np.mean(rest**2))
        assert -1 < snr_db < 26


def test_a_stopped_corpus_goes_on_after_its_last_whole_line(tmp_path: Path) -> None:
    made = corpus.Corpus(tmp_path)
    wave = np.sin(np.arange(12000) / 20).astype(np.float32)
    made.add("kokoro/000/000000.flac", wave, 0, {"language": "en", "phones": []})
    with (tmp_path / "manifest.jsonl").open("a", encoding="utf-8") as stream:
        stream.write('{"file": "kokoro/000/0000')  # stopped while it was written
    again = corpus.Corpus(tmp_path)
    assert again.done == {"kokoro/000/000000.flac": 0.5}
    again.add("kokoro/000/000001.flac", wave, 1, {"language": "en", "phones": []})
    rows = manifest.rows(tmp_path)
    assert [row["file"][-6:-5] for row in rows] == ["0", "1"]
    for row in rows:
        files = [row["file"], *row["versions"].values()]
        assert all((tmp_path / file).is_file() for file in files)
        assert json.dumps(row)
    assert np.abs(manifest.wave_16k(tmp_path / rows[0]["file"])).max() <= 0.97
