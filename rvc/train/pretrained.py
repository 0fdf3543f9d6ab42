"""Where a training begins: from nothing, from base models, or from another program's files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rvc.config import KIT, command, paths
from rvc.errors import BadInput, Mismatch, MissingModel
from rvc.nets import voice_file
from rvc.nets.checkpoint import read_checkpoint
from rvc.nets.config import slug
from rvc.params.train import Train
from rvc.train.state import LATEST, SPEAKERS

PAIR = re.compile(r"^G_(\d+)\.pth$")
LEAST_FITTING = 0.5
CONTENT = "enc_p.emb_phone.weight"
SHOWN = 3  # misfitting layers named


@dataclass(frozen=True)
class StartingPoint:
    """Files to begin with, and whether their optimisers and epoch count belong to this voice."""

    g: Path
    d: Path
    own: bool = False


def choose(p: Train, folder: Path) -> StartingPoint | None:
    """The files a new training begins with; None for nothing at all.

    Raises:
        MissingModel: the official base models are wanted and not there.
        BadInput: one of two custom base models is not given or does not exist.
    """
    if not p.cleanup and (found := pair(folder)) is not None:
        return found
    if p.custom_pretrained:
        return _custom(p)
    if not p.pretrained:
        return None
    base = paths().pretraineds / slug(p.vocoder)
    if not base.is_dir() and (KIT / slug(p.vocoder)).is_dir():
        base = KIT / slug(p.vocoder)
    g, d = (base / f"f0{kind}{p.sample_rate // 1000}k.pth" for kind in "GD")
    if not (g.is_file() and d.is_file()):
        from rvc.hub import fetch  # most trainings fetch nothing

        fetch.supply(g, d)
    for file in (g, d):
        if not file.is_file():
            raise MissingModel(
                f"The base model {file} is missing.",
                f"Download it with `{command('prerequisites')}`, give your own with "
                "--custom-pretrained, or train from nothing with --no-pretrained.",
            )
    return StartingPoint(g, d)


def _custom(p: Train) -> StartingPoint:
    if p.g_pretrained_path is None or p.d_pretrained_path is None:
        raise BadInput(
            "--custom-pretrained needs --g-pretrained-path and --d-pretrained-path.",
            "Give both, or leave --custom-pretrained out.",
        )
    for file in (p.g_pretrained_path, p.d_pretrained_path):
        if not file.is_file():
            raise BadInput(f"{file} does not exist.", "Check the path of the base model.")
    return StartingPoint(p.g_pretrained_path, p.d_pretrained_path)


def pair(folder: Path) -> StartingPoint | None:
    """The newest G_ and D_ files of an unfinished training by Applio or RVC.

    Newest by their own count: copying changes the times, and the number of an "only latest" file
    says nothing but that.
    """
    pairs = [
        StartingPoint(file, file.with_name(f"D_{found[1]}.pth"), own=True)
        for file in folder.glob("G_*.pth")
        if (found := PAIR.match(file.name)) and file.with_name(f"D_{found[1]}.pth").is_file()
    ]
    if len(pairs) < 2:
        return pairs[0] if pairs else None
    numbered = {_number(start.g): start for start in pairs}
    latest = numbered.pop(LATEST, None)
    furthest = numbered[max(numbered)] if numbered else None
    if latest is None or furthest is None:
        return latest or furthest
    epochs = [read_checkpoint(start.g).iteration for start in (furthest, latest)]
    return latest if epochs[1] >= epochs[0] else furthest


def _number(file: Path) -> int:
    found = PAIR.match(file.name)
    return int(found[1]) if found else 0


def adapt(net: nn.Module, given: Mapping[str, Tensor], named: Path) -> list[str]:
    """Load what fits; returns a phrase for every part that did not.

    A speaker table of another length is cut, or lengthened with its mean; the layer that takes
    the embedder's features begins anew where those have another width. Nothing is changed where
    the file is of another network.

    Raises:
        Mismatch: it was made for another rate, vocoder or width of the network.
    """
    own = voice_file.public_names(net.state_dict())  # the network's own tensors, not copies
    _refuse_strangers(own, given, named)
    misfits, fitting = [], 0
    for key, old in own.items():
        new = given.get(key)
        if new is None:
            misfits.append(f"{key} is not in it")
        elif new.shape == old.shape:
            old.copy_(new)
            fitting += old.numel()
        elif key == SPEAKERS and new.shape[1:] == old.shape[1:]:
            rows = min(len(new), len(old))
            old[:rows] = new[:rows]
            old[rows:] = new.float().mean(0)
            misfits.append(f"{key}: {len(new)} speakers became {len(old)}")
            fitting += old.numel()
        else:
            misfits.append(f"{key}: {tuple(new.shape)} there, {tuple(old.shape)} here")
    return misfits


def _refuse_strangers(own: Mapping[str, Tensor], given: Mapping[str, Tensor], named: Path) -> None:
    """Nothing, where `given` is the same network as `own`.

    Raises:
        Mismatch: see `adapt`; the message names layers that tell.
    """
    shared = [key for key in own if key in given and key not in (SPEAKERS, CONTENT)]
    wrong = [
        f"{key}: {tuple(given[key].shape)} there, {tuple(own[key].shape)} here"
        for key in shared
        if given[key].shape != own[key].shape
    ]
    decoder = [{key for key in side if key.startswith("dec.")} for side in (own, given)]
    wrong += [f"{key} is not in it" for key in sorted(decoder[0] - decoder[1])]
    wrong += [f"{key} is not here" for key in sorted(decoder[1] - decoder[0])]
    total = sum(value.numel() for value in own.values())
    fitting = sum(own[key].numel() for key in shared)
    if not wrong and fitting < LEAST_FITTING * total:
        wrong = [f"only {fitting / total:.0%} of the network is in it"]
    if wrong:
        more = f" and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise Mismatch(
            f"{named} does not fit this voice: {'; '.join(wrong[:SHOWN])}{more}.",
            "It was made for another sample rate or vocoder. Take one made for this, or "
            "begin without it: --no-pretrained, and --cleanup where it is the voice's own.",
        )


def adopt_optimiser(optim: torch.optim.Optimizer, net: nn.Module, saved: Any) -> bool:
    """Take over the optimiser of a G_ or D_ file if its moments fit; False if not.

    The file knows parameters by number only. Applio's order is that of the networks here; RVC's
    and older Applio's puts the decoder's noise convolutions before its first convolution.
    """
    if not isinstance(saved, Mapping) or "state" not in saved:
        return False
    moments = saved["state"]
    names = [name for name, _ in net.named_parameters()]
    shapes = {name: parameter.shape for name, parameter in net.named_parameters()}
    for order in (names, older_order(names)):
        if len(moments) != len(order):
            return False
        if all(
            i in moments and moments[i]["exp_avg"].shape == shapes[name]
            for i, name in enumerate(order)
        ):
            place = {name: i for i, name in enumerate(order)}
            now = optim.state_dict()
            now["state"] = {i: moments[place[name]] for i, name in enumerate(names)}
            optim.load_state_dict(now)
            return True
    return False


def older_order(names: list[str]) -> list[str]:
    """Parameter order of RVC and of Applio before 3.3."""
    moved = [name for name in names if name.startswith("dec.noise_convs.")]
    rest = [name for name in names if name not in set(moved)]
    at = next((i for i, name in enumerate(rest) if name.startswith("dec.conv_pre.")), len(rest))
    return rest[:at] + moved + rest[at:]
