"""Recordings to judge the kit by: held-out people and sentences of the corpus, in every language.

Development-time only. Writes <out>/<language>/<n>.wav + .txt: utterances of speakers whom no
training heard (`corpus.UNSEEN`) or of held-out sentences, and <out>/prompts-<language>/: prompts of
real people that were held out.
Use: python recipes/trials.py CORPUS OUT
"""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path

import soundfile as sf

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes import manifest

CLIPS = 8  # of each folder
LEAST = 40  # characters of a prompt's text


def main(corpus: Path, out: Path) -> None:
    """Copy the first held-out utterances of every kind."""
    written: Counter[str] = Counter()
    for row in manifest.rows(corpus):
        recorded = row["file"].startswith("prompts/")
        name = f"{'prompts-' if recorded else ''}{row['language']}"
        short = recorded and len(row["text"]) < LEAST
        if row["split"] == "train" or short or written[name] == CLIPS:
            continue
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        wave, rate_hz = sf.read(corpus / row["file"], dtype="int16")
        sf.write(folder / f"{written[name]}.wav", wave, rate_hz, subtype="PCM_16")
        (folder / f"{written[name]}.txt").write_text(row["text"], encoding="utf-8")
        written[name] += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
