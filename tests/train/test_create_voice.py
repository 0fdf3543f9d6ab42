"""Making a voice in one go: what is missing is said before the first stage, not after an hour."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rvc import params
from rvc.embedders import SHIPPED
from rvc.errors import MissingModel
from rvc.server import machine
from rvc.train import create_voice

KIT: dict[str, Any] = {
    "f0_method": "swift-f0",
    "embedder_model": SHIPPED,
    "vocoder": "lite",
    "sample_rate": 24000,
}


def wanted(home: Path, **changes: Any) -> params.CreateVoice:
    folder = home / "assets" / "datasets" / "anna"
    folder.mkdir(parents=True, exist_ok=True)
    soundfile.write(folder / "a.wav", np.zeros(16000, np.float32), 16000)
    return params.CreateVoice(model_name="anna", dataset_path=folder, **(KIT | changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"vocoder": "HiFi-GAN", "sample_rate": 40000},
        {"f0_method": "rmvpe"},
        {"embedder_model": "contentvec"},
    ],
)
def test_a_missing_model_ends_it_before_anything_is_cut(
    home: Path, changes: dict[str, Any]
) -> None:
    with pytest.raises(MissingModel) as refused:
        create_voice.run(wanted(home, **changes))
    assert refused.value.hint
    assert not (home / "logs" / "anna").exists()


def test_what_the_page_chooses_on_a_fresh_machine_needs_no_download(home: Path) -> None:
    found = machine.ready()
    assert found["chosen"] == KIT
    assert set(found["instead"]) == set(KIT)
    create_voice.require_models(wanted(home, **found["chosen"]))
