"""The step in use does what the plain formulas say, and gets better at its task."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch.amp.grad_scaler import GradScaler

from rvc.device import choose
from rvc.nets.synthesizer import Synthesizer
from rvc.train import build
from rvc.train.dataset import Batch
from rvc.train.distributed import Ranks
from rvc.train.material import material
from rvc.train.state import State, optimiser
from rvc.train.step import Recipe, train_step
from tests.train import tiny
from tests.train.reference_step import make_plain, reference_step

Training = tuple[State, Recipe, Callable[[int], Batch]]


@pytest.fixture
def training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Training:
    """(state, recipe, function giving the batch of a step) of a tiny training."""
    folder = tiny.voice(tmp_path, monkeypatch, clips=4)
    p = tiny.params()
    m = material(p, folder)
    chosen = choose("-", "fp32")
    s = build.begin(p, m, chosen, folder, tiny.PARTS)
    data = build.dataset(p, m, chosen.device)
    steps = build.sampler(p, data, Ranks()).batches(1)
    return s, build.recipe(p, m, chosen, Ranks()), lambda i: data.batch(steps[i % len(steps)], 1)


def test_twenty_steps_equal_the_plain_ones(training: Training) -> None:
    s, recipe, batch = training
    plain = copy.deepcopy(s)
    make_plain(plain, recipe)
    for step in range(20):
        s.step = plain.step = step
        ours, theirs = (
            train_step(s, batch(step), recipe),
            reference_step(plain, batch(step), recipe),
        )
        assert ours.keys() == theirs.keys()
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-4), (step, name)
    moved = torch.cat([p.flatten() for p in s.g.parameters()])
    same = torch.cat([p.flatten() for p in plain.g.parameters()])
    assert (moved - same).abs().mean() < 1e-6


def test_sound_gets_nearer(training: Training) -> None:
    s, recipe, batch = training
    for group in s.optim_g.param_groups:
        group["lr"] = 5e-3
    found = []
    for step in range(30):
        s.step = step
        found.append(float(train_step(s, batch(step), recipe)["mel"]))
    assert sum(found[-10:]) < 0.8 * sum(found[:10])


def test_generator_step_leaves_the_discriminator_alone(
    training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    s, recipe, batch = training
    train_step(s, batch(0), recipe)
    assert all(not p.requires_grad for p in s.d.parameters())
    before = copy.deepcopy(s.d.state_dict())
    monkeypatch.setattr(s.optim_d, "step", lambda: None)
    train_step(s, batch(1), recipe)
    assert all(torch.equal(before[key], value) for key, value in s.d.state_dict().items())


def test_infinite_gradient_changes_nothing(training: Training) -> None:
    s, recipe, batch = training
    train_step(s, batch(0), recipe)
    before = copy.deepcopy([s.g.state_dict(), s.d.state_dict()])
    spoilt = batch(1)
    spoilt.wave[:, 100:] = float("inf")
    found = train_step(s, spoilt, recipe)
    assert not torch.isfinite(found["norm_d"])
    for old, net in zip(before, (s.g, s.d), strict=True):
        assert all(torch.equal(old[key], value) for key, value in net.state_dict().items())


def test_same_step_number_same_step(training: Training) -> None:
    s, recipe, batch = training
    twin = copy.deepcopy(s)
    torch.randn(7)  # whatever was drawn before has no influence
    one = train_step(s, batch(0), recipe)
    torch.randn(99)
    two = train_step(twin, batch(0), recipe)
    assert all(torch.equal(one[name], two[name]) for name in one)
    twin.step, s.step = 1, 2
    one, two = train_step(s, batch(0), recipe), train_step(twin, batch(0), recipe)
    assert not torch.equal(one["mel"], two["mel"])


def test_bf16_stays_near_fp32(training: Training) -> None:
    s, recipe, batch = training
    twin = copy.deepcopy(s)
    half = copy.copy(recipe)
    object.__setattr__(half, "dtype", torch.bfloat16)
    one, two = train_step(s, batch(0), recipe), train_step(twin, batch(0), half)
    assert two["total"].dtype == torch.float32
    for name in ("mel", "kl", "d", "adv"):
        assert float(two[name]) == pytest.approx(
            float(one[name]), rel=0.3 if name == "mel" else 0.05
        )


@pytest.fixture
def scaled(training: Training) -> Training:
    """The tiny training with a gradient scaler, as in fp16 (which a CPU has no networks for)."""
    s, recipe, batch = training
    s.scaler = GradScaler("cpu", init_scale=1024.0, growth_interval=2)
    return s, recipe, batch


def parameters(s: State) -> list[torch.Tensor]:
    return [p.detach().clone() for net in (s.g, s.d) for p in net.parameters()]


def test_a_scaled_step_is_the_plain_one(scaled: Training) -> None:
    s, recipe, batch = scaled
    plain = copy.deepcopy(s)
    plain.scaler = GradScaler("cpu", enabled=False)
    for step in range(3):
        s.step = plain.step = step
        one, two = train_step(s, batch(step), recipe), train_step(plain, batch(step), recipe)
        for name, value in two.items():  # losses and gradient norms alike are not scaled
            assert float(one[name]) == pytest.approx(float(value), rel=1e-3), name
    for a, b in zip(parameters(s), parameters(plain), strict=True):
        assert torch.allclose(a, b, atol=2e-5)
    assert s.scaler.get_scale() == 2048.0  # two good steps: it may grow


@pytest.mark.parametrize("optimiser_name", ["optim_g", "optim_d"])
def test_an_infinite_scaled_gradient_skips_the_update_and_halves_the_scale(
    scaled: Training, optimiser_name: str
) -> None:
    s, recipe, batch = scaled
    train_step(s, batch(0), recipe)
    own = next(p for p in (s.g if optimiser_name == "optim_g" else s.d).parameters())
    own.requires_grad_(True)  # frozen since the last step in the discriminator
    handle = own.register_hook(lambda grad: torch.full_like(grad, float("inf")))
    before, scale = parameters(s), s.scaler.get_scale()
    found = train_step(s, batch(1), recipe)
    handle.remove()
    assert not torch.isfinite(found["norm_g" if optimiser_name == "optim_g" else "norm_d"])
    count = len(list(s.g.parameters()))
    skipped = slice(0, count) if optimiser_name == "optim_g" else slice(count, None)
    pairs = list(zip(before, parameters(s), strict=True))
    assert all(torch.equal(a, b) for a, b in pairs[skipped])
    assert s.scaler.get_scale() == scale / 2
    again = train_step(s, batch(2), recipe)
    assert all(torch.isfinite(value) for value in again.values())
    assert any(
        not torch.equal(a, b)
        for (_, a), b in zip(pairs[skipped], parameters(s)[skipped], strict=True)
    )


def test_gradient_limit_holds(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    s, recipe, batch = training
    limited = copy.copy(recipe)
    object.__setattr__(limited, "clip_norm", 0.5)
    seen, real = [], s.optim_g.step

    def step() -> None:
        grads = [p.grad for p in s.g.parameters() if p.grad is not None]
        seen.append(float(torch.nn.utils.get_total_norm(grads)))
        real()

    monkeypatch.setattr(s.optim_g, "step", step)
    found = train_step(s, batch(0), limited)
    assert float(found["norm_g"]) > 0.5  # what is reported is what it was
    assert seen == [pytest.approx(0.5, rel=1e-3)]


def test_checkpointing_gives_the_same(training: Training) -> None:
    s, recipe, batch = training
    twin = copy.deepcopy(s)
    twin.g.dec.checkpointing = True
    twin.d.set_checkpointing(True)
    one, two = train_step(s, batch(0), recipe), train_step(twin, batch(0), recipe)
    assert all(float(one[n]) == pytest.approx(float(two[n]), rel=1e-5) for n in one)


def test_a_voice_without_a_posterior_learns_from_what_a_conversion_makes(
    training: Training,
) -> None:
    s, recipe, batch = training
    asked = dataclasses.replace(recipe.settings, use_posterior=False)
    recipe = dataclasses.replace(recipe, settings=asked)
    s.g = Synthesizer(asked, s.g.embed_width, True, s.g.n_speakers)
    s.optim_g = optimiser(s.g, dataclasses.replace(asked, learning_rate=5e-3), recipe.device)
    assert not any(name.startswith("enc_q.") for name, _ in s.g.named_parameters())
    before = copy.deepcopy(s.g.enc_p.state_dict())
    found = []
    for step in range(30):
        s.step = step
        found.append(train_step(s, batch(step), recipe))
    assert "kl" not in found[0]
    assert sum(float(f["mel"]) for f in found[-10:]) < 0.8 * sum(
        float(f["mel"]) for f in found[:10]
    )
    assert (before["emb_phone.weight"] - s.g.enc_p.emb_phone.weight).abs().max() > 0.01
