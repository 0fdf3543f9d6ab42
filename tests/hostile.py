"""Model files that try to do harm; each would leave a mark at `mark` if its code ran."""

import os
import pickle
import zipfile
from collections import OrderedDict

import torch


class Command:
    """Pickles as a call of any function."""

    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments

    def __reduce__(self):
        return self.function, self.arguments


def _touch(mark):
    return f"touch {mark}"


def system(path, mark):
    torch.save({"weight": {"a": Command(os.system, _touch(mark))}, "config": [1] * 18}, path)


def evaluate(path, mark):
    code = f"open({str(mark)!r}, 'w')"
    torch.save({"weight": Command(eval, code), "model": Command(eval, code)}, path)


def plain_pickle(path, mark):
    path.write_bytes(pickle.dumps(Command(os.system, _touch(mark)), protocol=2))


def new_protocol(path, mark):
    path.write_bytes(pickle.dumps(Command(os.system, _touch(mark)), protocol=4))


def legacy(path, mark):
    torch.save(
        {"weight": Command(os.system, _touch(mark))}, path, _use_new_zipfile_serialization=False
    )


def package(path, mark):
    """A module that installs things, hidden behind an innocent name in the same zip."""
    torch.save({"weight": OrderedDict(a=torch.ones(3))}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("archive/extra.pkl", pickle.dumps(Command(os.system, _touch(mark)), 2))


def two_objects(path, mark):
    torch.save({"weight": {"a": torch.ones(2)}}, path)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("other/data.pkl", pickle.dumps(Command(os.system, _touch(mark)), 2))


def bomb(path, mark):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\0" * (80 << 20))


def huge_view(path, mark):
    torch.save({"weight": {"a": torch.zeros(1).expand(1 << 33)}, "model": {}}, path)


def not_finite(path, mark):
    torch.save(
        {"weight": {"a": torch.full((2,), torch.nan)}, "model": {"a": torch.full((2,), torch.inf)}},
        path,
    )


def objects_as_weights(path, mark):
    torch.save({"weight": {"a": "text"}, "model": {"a": [1]}, "config": []}, path)


def truncated(path, mark):
    torch.save({"weight": {"a": torch.ones(5000)}}, path)
    path.write_bytes(path.read_bytes()[:9000])


def nothing(path, mark):
    path.write_bytes(b"")


SAMPLES = [
    system,
    evaluate,
    plain_pickle,
    new_protocol,
    legacy,
    package,
    two_objects,
    bomb,
    huge_view,
    not_finite,
    objects_as_weights,
    truncated,
    nothing,
]
