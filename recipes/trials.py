"""Recordings to judge the demo voice by: sentences no training ever saw, and held-out prompts.

Development-time only; needs what corpus.py needs, and its output. Writes
<out>/sources/{rms,awb,kal16,human}/<n>.wav + .txt, and <out>/target/<n>.wav (the demo speaker).
Use: python recipes/trials.py CORPUS OUT
"""

from __future__ import annotations

import json
import random
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from recipes.cache import HELD_OUT, SEED
from recipes.debian_corpus import speak

SENTENCES = (
    "The quick boat sailed past the old harbour while seven grey birds watched from the pier.",
    "She bought two loaves of bread and a jar of honey at the market this morning.",
    "Please remember to close the window before the rain begins to fall.",
    "My brother plays the violin every evening after dinner.",
    "A warm fire and a good book are all I need on a cold winter night.",
    "The train to the mountains leaves at a quarter past nine.",
    "They painted the kitchen walls yellow and the door a deep shade of blue.",
    "Nobody knew why the clock in the tower had stopped at noon.",
)
HUMAN_CLIPS = 8


def main(corpus: Path, out: Path) -> None:
    """Speak the sentences and copy held-out prompts of the English human recordings."""
    for voice in ("rms", "awb", "kal16"):
        _speak(out / "sources" / voice, "flite", voice)
    _speak(out / "target", "festival", "cmu_us_slt_arctic_hts")
    rows = json.loads((corpus / "index.json").read_text())
    shuffled = [r for r in random.Random(SEED).sample(rows, len(rows)) if r["speaker"] == "en"]
    held = [r for r in shuffled[-min(HELD_OUT, len(shuffled) // 10) :] if len(r["text"]) > 40]
    folder = out / "sources" / "human"
    folder.mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(held[:HUMAN_CLIPS]):
        shutil.copy(corpus / row["file"], folder / f"{number}.wav")
        (folder / f"{number}.txt").write_text(row["text"])


def _speak(folder: Path, engine: str, voice: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, text in enumerate(SENTENCES):
        speak(engine, voice, text, folder / f"{number}.wav")
        (folder / f"{number}.txt").write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
