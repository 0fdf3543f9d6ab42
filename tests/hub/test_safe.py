"""No file runs code, whatever it is and through whichever door it comes in."""

import collections
import io
import pickle

import pytest
import torch

from rvc import params
from rvc.errors import VoiceError
from rvc.features import weights as embedder_weights
from rvc.hub import safe
from rvc.nets.checkpoint import read_checkpoint, read_voice
from rvc.tools import blend, information, rework
from tests import hostile, tiny


def blender(path):
    blend.run(params.ModelBlender(model_name="x", pth_path_1=path, pth_path_2=path))


DOORS = {
    "convert": read_voice,
    "resume and base models": read_checkpoint,
    "information": lambda p: information.run(params.ModelInformation(pth_path=p)),
    "blend": blender,
    "extract": lambda p: rework.extract(params.ModelExtract(pth_path=p, model_name="x")),
    "edit": lambda p: rework.edit(params.ModelEdit(pth_path=p, author="x")),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("sample", hostile.SAMPLES)
def test_hostile_files_are_refused_at_every_door(home, sample, door):
    path, mark = home / "voice.pth", home / "ran"
    sample(path, mark)
    before = path.read_bytes()
    with pytest.raises(VoiceError) as refused:
        DOORS[door](path)
    assert str(path) in refused.value.message
    assert not mark.exists()
    assert path.read_bytes() == before


@pytest.mark.parametrize("sample", hostile.SAMPLES[:7])
def test_embedders_run_no_code_either(home, sample):
    path, mark = home / "pytorch_model.bin", home / "ran"
    sample(path, mark)
    with pytest.raises(VoiceError):
        embedder_weights.read(path)
    assert not mark.exists()


def test_a_safetensors_file_that_is_none_is_refused(home):
    (home / "v.safetensors").write_bytes(b"\xff" * 64)
    with pytest.raises(VoiceError, match="safetensors"):
        read_voice(home / "v.safetensors")


def test_the_scanner_names_what_it_refuses():
    stream = io.BytesIO(pickle.dumps(hostile.Command(eval, "1"), protocol=2))
    with pytest.raises(VoiceError, match="eval"):
        safe.scan(stream, "the file")


@pytest.mark.parametrize("new", [True, False])
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.bfloat16])
def test_honest_files_of_both_forms_load(tmp_path, new, dtype):
    content = collections.OrderedDict(
        weight={"a": torch.ones(3, dtype=dtype)},
        config=[1, "x", None, [2.5]],
        parameter=torch.nn.Parameter(torch.ones(1)),
        size=torch.Size([1]),
    )
    torch.save(content, tmp_path / "v.pth", _use_new_zipfile_serialization=new)
    found = safe.load(tmp_path / "v.pth")
    assert torch.equal(found["weight"]["a"], content["weight"]["a"])
    assert found["config"] == content["config"]


def test_a_file_beyond_the_limit_is_not_opened(tmp_path):
    path = tiny.voice(tmp_path / "v.pth")
    with pytest.raises(VoiceError, match="larger"):
        safe.load(path, limit=1000)
