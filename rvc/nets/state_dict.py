"""Weights by name: files spell the names of normalised weights otherwise than torch does today."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from rvc.errors import Mismatch

SPELLINGS = (
    (".parametrizations.weight.original0", ".weight_g"),
    (".parametrizations.weight.original1", ".weight_v"),
)
Weights = dict[str, Tensor]


def public_names(state: Mapping[str, Tensor]) -> Weights:
    """State-dict keys as files spell them: `weight_g`, `weight_v`."""
    out = {}
    for key, value in state.items():
        for inner, outer in SPELLINGS:
            if key.endswith(inner):
                key = key[: -len(inner)] + outer
        out[key] = value
    return out


def load_into(net: nn.Module, weights: Mapping[str, Tensor], named: str) -> None:
    """Load weights of either spelling; every key and shape has to agree.

    Raises:
        Mismatch: they do not; the message says what was found and what was expected.
    """
    weights = public_names(weights)
    compare(net, weights, named)
    net.load_state_dict(weights)


def compare(net: nn.Module, weights: Weights, named: str) -> None:
    """Make sure that weights by their public names are all those of a network, none more.

    Raises:
        Mismatch: they are not.
    """
    expected = {key: tuple(v.shape) for key, v in public_names(net.state_dict()).items()}
    missing = [key for key in expected if key not in weights]
    extra = [key for key in weights if key not in expected]
    wrong = [k for k, s in expected.items() if k in weights and tuple(weights[k].shape) != s]
    if not (missing or extra or wrong):
        return
    found = []
    if extra:
        found.append(f"{len(extra)} unknown weights such as {extra[0]}")
    if missing:
        found.append(f"{len(missing)} missing weights such as {missing[0]}")
    if wrong:
        key = wrong[0]
        found.append(
            f"{len(wrong)} of another shape such as {key} "
            f"{tuple(weights[key].shape)} instead of {expected[key]}"
        )
    raise Mismatch(
        f"{named} does not fit this network: {'; '.join(found)}.",
        "It was made for another architecture or version.",
    )
