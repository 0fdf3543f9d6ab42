"""A batch tells how far it is, and what became of every recording."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import soundfile

from rvc import params
from rvc.dataset.scan import scan
from rvc.errors import StageFailed
from rvc.infer import batch, infer
from tests import tiny, unprivileged
from tests.infer.conftest import sung


@pytest.fixture
def voice_file(
    home: Path, tmp_path: Path, fake_networks: Any, monkeypatch: pytest.MonkeyPatch
) -> Any:
    monkeypatch.setenv("RVC_NO_GRAPHS", "1")
    return tiny.voice(tmp_path / "v.pth")


def test_progress_of_a_batch_never_goes_back_and_every_failure_is_told(
    voice_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Any:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in "abc":
        soundfile.write(folder / f"{name}.wav", sung(0.5), 16_000)
    real, seen = infer.convert, []

    def convert(source: Any, *rest: Any, **more: Any) -> Any:
        if source.name == "b.wav":
            raise PermissionError(errno.EACCES, "Permission denied", str(source))
        return real(source, *rest, **more)

    monkeypatch.setattr(infer, "convert", convert)
    p = params.BatchInfer(
        input_folder=folder,
        output_folder=tmp_path / "o",
        pth_path=(voice_file,),
        f0_method="fcpe",
        gpu="-",
    )
    with pytest.raises(StageFailed, match=r"1 of 3 .*, 2 are done.*b\.wav") as caught:
        batch.batch_infer(p, lambda done, total, note="": seen.append(done))
    assert seen == sorted(seen)
    assert seen[-1] == 3
    assert len({round(value, 2) for value in seen}) > 6, "and not only in whole recordings"
    assert [Path(one["file"]).name for one in (caught.value.result or {})["converted"]] == [
        "a.wav",
        "c.wav",
    ]

    def full(source: Any, *rest: Any, **more: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(source))

    monkeypatch.setattr(infer, "convert", full)
    with pytest.raises(StageFailed, match="No space left") as caught:
        batch.batch_infer(p.model_copy(update={"overwrite": True}), lambda *_: None)
    assert len((caught.value.result or {})["failed"]) == 1, "no use in going on"


@pytest.mark.forks
@pytest.mark.skipif(os.name != "posix", reason="needs users and fork")
def test_a_folder_that_may_not_be_looked_into_is_named(tmp_path: Path) -> None:
    with unprivileged.open_folder() as folder:
        (folder / "in" / "closed").mkdir(parents=True)
        (folder / "in" / "a.wav").write_bytes(b"RIFF")
        os.chmod(folder / "in" / "closed", 0)
        p = params.BatchInfer(
            input_folder=folder / "in",
            output_folder=folder / "o",
            pth_path=(tmp_path,),
            recursive=True,
        )
        told = unprivileged.call(lambda: [str(e.filename) for e in batch._folders_refused(p)])
        data = unprivileged.call(lambda: scan(folder / "in").left_out())
        os.chmod(folder / "in" / "closed", 0o700)
    assert told == [str(folder / "in" / "closed")]
    assert data == f"Not allowed to read {folder / 'in' / 'closed'}."
