"""The verb `train`, and one process's run of it.

`python core.py train …` trains in this process, without process group or socket; several GPUs
(`--gpu 0-1`) are shared out by `launch`. Every restart goes on from the state file.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rvc import Report, config, device, memory, silent
from rvc.dataset import lock, manifest
from rvc.errors import BadInput
from rvc.params.train import Train
from rvc.train import build, checkpoint, export
from rvc.train.build import STANDARD, Parts
from rvc.train.distributed import Ranks
from rvc.train.eta import Eta
from rvc.train.material import Material, material, minutes, voice_meta
from rvc.train.metrics import MetricsWriter
from rvc.train.plausibility import ParameterWatch
from rvc.train.state import SPEAKERS, State, with_speakers
from rvc.train.step import Recipe
from rvc.train.stopping import StopSignals
from rvc.train.trainer import Trainer

log = logging.getLogger(__name__)

Result = dict[str, Any]


def run(p: Train, report: Report = silent, parts: Parts | None = None) -> Result:
    """Train up to `total_epoch`, going on from the saved state where there is one.

    Raises:
        Cancelled: stopped on request, everything saved. VoiceError: see its message.
    """
    folder = config.experiment(p.model_name)
    if not folder.is_dir():
        raise BadInput(f"There is no voice named {p.model_name!r} in the making.", "Preprocess.")
    parts = parts or STANDARD
    chosen = device.choose(p.gpu, p.precision, "train")
    with lock.hold(folder):
        if not (folder / manifest.FILE).exists():  # another program's
            from rvc.dataset import adopt

            adopt.adopt(folder)
        if len(chosen.numbers) > 1:
            from rvc.train import launch

            launch.torchrun(p, chosen, folder, report)
            done = result(p, folder)
        else:
            done = train(p, folder, chosen, Ranks(), report, parts)
        built = parts.build_index(folder, p.index_algorithm, report)  # as Applio does every time
        rate = parts.settle_index_rate(p, folder, Path(done["voice"]), built["index"], report)
        return done | {key: built[key] for key in ("index", "vectors")} | {"index_rate": rate}


def train(
    p: Train, folder: Path, chosen: device.Device, ranks: Ranks, report: Report, parts: Parts
) -> Result:
    """One process's part of a training."""
    began = time.monotonic()
    log.info("Training on %s.", chosen.why)
    device.use_kernels(chosen.device, tf32=p.precision != "fp32", tuned=True)
    if chosen.device.type == "cpu":
        memory.keep_freed()
    m = material(p, folder)
    recipe = build.recipe(p, m, chosen, ranks)
    saved = None if p.cleanup else checkpoint.load(folder)
    saved = saved if saved and saved["step"] else None  # what learnt nothing binds nothing
    fresh = saved is None
    if fresh and ranks.first:
        parts.judge_slices(folder, report)
    p = _with_batch(p, m, recipe, chosen, saved, parts)
    identity = checkpoint.identity_of(p, m, ranks)
    s, changed = _state(p, m, chosen, folder, identity, saved, parts)
    scores = saved.get("scores", ()) if saved and not changed else ()
    del saved  # as large as the training itself
    ranks.copy_from_first([*s.g.state_dict().values(), *s.d.state_dict().values()])
    with StopSignals() as stop:
        if p.cleanup and ranks.first:  # only now that everything is checked
            gone = len(export.clean(folder, p.model_name))
            log.info("Deleted %d files of earlier training.", gone)
        trainer = _trainer(p, m, folder, recipe, s, identity, report, stop, scores, parts)
        _announce(p, m, trainer.steps_per_epoch, s)
        if fresh or changed:
            trainer.save(s)  # bad first steps roll back to this
        if ranks.first and export.missing(s, p, folder):
            trainer.export(s)
        try:
            finished = trainer.fit(s)
        finally:
            if trainer.metrics:
                trainer.metrics.close()
    if not finished:
        raise trainer.cancelled(s)
    if not ranks.first:
        return {}
    seconds = time.monotonic() - began
    watched = trainer.monitor.report()
    parts.write_report(folder, p.model_name, watched["findings"])
    _record(folder, p, identity, s, seconds, watched)
    return result(p, folder)


def _trainer(
    p: Train,
    m: Material,
    folder: Path,
    recipe: Recipe,
    s: State,
    identity: Mapping[str, Any],
    report: Report,
    stop: StopSignals,
    scores: Sequence[Mapping[str, Any]],
    parts: Parts,
) -> Trainer:
    """The trainer of this run; all ranks but the first only learn."""
    first, meta, validation = recipe.ranks.first, voice_meta(m), None
    metrics = MetricsWriter(folder, s.step, parts.summary_writer) if first else None
    data = build.dataset(p, m, recipe.device)
    sampler = build.sampler(p, data, recipe.ranks)
    if first and m.held:  # it brings embedders and readers of sound with it
        from rvc.train import reference
        from rvc.train.validation import Validation

        validation = Validation(
            folder,
            recipe,
            m.held,
            metrics,
            lambda s: export.write_voice(s, folder / "best.pth", p, m.settings, meta),
            reference.load(m.embedder, recipe.device, parts.load_pitch),
            scores,
            m.speakers,
            parts.load_pitch,
        )
    steps, shown = len(sampler), report if first else silent
    return Trainer(
        p=p,
        folder=folder,
        recipe=recipe,
        data=data,
        sampler=sampler,
        identity=identity,
        metrics=metrics,
        eta=Eta(p, recipe, m.learn, steps, shown, parts.shortest_step_s),
        stop=stop,
        export=lambda s: export.export(s, p, folder, m.settings, meta),
        validation=validation,
        watched=ParameterWatch((s.g, s.d)),
        step=parts.step,
        epoch_s=time.monotonic() if s.done == 0 else None,
    )


def _with_batch(
    p: Train,
    m: Material,
    recipe: Recipe,
    chosen: device.Device,
    saved: Mapping[str, Any] | None,
    parts: Parts,
) -> Train:
    """The parameters with a batch size: given, of the saved training, or the largest that fits."""
    if p.batch_size:
        return p
    ranks = recipe.ranks
    if saved is not None:
        size = saved["identity"]["batch_size"] // ranks.world
    else:
        clips = len(m.learn) // ranks.world
        make = lambda: build.networks(p, m, chosen, 1, parts)  # noqa: E731
        alone = replace(recipe, ranks=Ranks())  # ranks may need different numbers of trials
        size = min(ranks.gather(parts.largest_batch(make, alone, m.embed_width, clips)))
    return p.model_copy(update={"batch_size": size})


def _state(
    p: Train,
    m: Material,
    chosen: device.Device,
    folder: Path,
    identity: Mapping[str, Any],
    saved: Mapping[str, Any] | None,
    parts: Parts,
) -> tuple[State, bool]:
    """Where the training stands: the saved state, or a beginning; and whether its data changed."""
    if saved is None:
        return build.begin(p, m, chosen, folder, parts), False
    notes = checkpoint.require_same(saved["identity"], identity)
    s = build.networks(p, m, chosen, max(m.n_speakers, len(saved["g"][SPEAKERS])), parts)
    s.unpack(with_speakers(saved, s))
    if notes:
        s.done = 0
        s.epoch_means.clear()
        said = "Going on with a difference: %s. Epoch %d begins again, and the result will not be "
        said += "that of one uninterrupted training."
        log.warning(said, "; ".join(notes), s.epoch)
    log.info("Going on in epoch %d after step %d.", s.epoch, s.step)
    return s, bool(notes)


def _announce(p: Train, m: Material, steps: int, s: State) -> None:
    people, left = len({clip.speaker for clip in m.learn}), max(0, p.total_epoch - s.epoch + 1)
    heard = f"{len(m.learn)} clips, {minutes(m.learn):.1f} minutes"
    heard += f", {people} speaker{'s' * (people > 1)}"
    log.info("%s: %d steps per epoch, %d epochs to go.", heard, steps, left)
    if s.epoch <= p.total_epoch:
        log.info("How long it takes is measured in the first steps.")


def _record(
    folder: Path,
    p: Train,
    identity: Mapping[str, Any],
    s: State,
    seconds: float,
    watched: Mapping[str, Any],
) -> None:
    """Put what was done into the manifest."""
    voices = sorted(file.name for file in folder.glob(f"{p.model_name}_*e_*s.pth"))
    fingerprint = {k: v for k, v in identity.items() if k != "clips"}
    fingerprint["clips"] = manifest.digest(identity["clips"])
    details = {"epoch": s.epoch - 1, "step": s.step, **watched}
    done = manifest.Stage("train", fingerprint, len(identity["clips"]), voices, details=details)
    done.seconds = seconds
    manifest.record(folder, done)


def result(p: Train, folder: Path) -> Result:
    """What the verb answers, from the manifest."""
    done = manifest.require(folder, "train")
    voice = f"{p.model_name}_{done.details['epoch']}e_{done.details['step']}s.pth"
    return {
        "message": f"Trained {p.model_name} up to epoch {done.details['epoch']}: {folder / voice}",
        "voice": str(folder / voice),
        "epoch": done.details["epoch"],
        "step": done.details["step"],
        "seconds": round(done.seconds, 1),
        "findings": done.details["findings"],
        "skipped_steps": done.details["skipped_steps"],
    }
