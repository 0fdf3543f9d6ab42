"""The verb `extract`: pitch and content features of every slice, and the list training reads."""

from __future__ import annotations

import errno
import logging
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import torch

from rvc import Report, config, f0, params, silent
from rvc.dataset import adopt, experiment, filelist, lock, manifest, slice_features
from rvc.embedders.manager import EmbedderManager, forget
from rvc.errors import VoiceError

log = logging.getLogger(__name__)
GROUP = 8  # slices that share a pass on a GPU
FATAL = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EMFILE)
AHEAD = 4  # groups per worker handed out before the first is looked at
HOPELESS = 20  # failures after which a run that cannot pass any more is given up


def run(p: params.Extract, report: Report = silent) -> dict[str, Any]:
    """Extract pitch and features of all slices of a voice. Goes on where an earlier run stopped.

    Raises:
        StageFailed: preprocess has not been done, nothing came out, or more than 5 % failed.
        Mismatch: the slices have another sample rate. MissingModel: a model's file is absent.
        Busy: another process works on the voice.
    """
    folder = config.experiment(p.model_name)
    with lock.hold(folder):
        adopt.adopt(folder)
        slices = manifest.require(folder, "preprocess")
        try:
            return _extract(p, folder, slices, report)
        finally:
            forget()  # what follows, such as a training, has better use for the memory


def _extract(
    p: params.Extract, folder: Path, slices: manifest.Stage, report: Report
) -> dict[str, Any]:
    started = time.monotonic()
    manifest.check(slices, {"sample_rate": p.sample_rate})
    experiment.template(p.sample_rate)
    names = clip_names(slices)
    f0.require(p.f0_method)
    report(0, 1, "Loading models")
    loaded = load_embedders(p, report)
    works = _measures(p, folder, loaded)
    work, (embedder, device) = works[0], loaded[0]
    report(1, 1, "Loading models")
    manifest.forget(folder, "extract")
    for name in slice_features.FOLDERS:
        (folder / name).mkdir(parents=True, exist_ok=True)
    done = manifest.Stage("extract", inputs=len(names))
    redone = _work_through(works, names, p.cpu_cores, device.type, done, report)
    manifest.judge(done)
    done.outputs.sort()
    for failure in done.failures:
        log.warning("Left out: %s", failure)
    _tidy(folder, work.journal, done.outputs)
    named = slices.details.get("speakers")
    if p.include_mutes:
        filelist.mutes(folder, p.sample_rate, work.embed, work.exact)
    experiment.write_config(folder, p.sample_rate)
    rows = max(filelist.speaker(name) for name in done.outputs) + 1  # of the speaker table
    described = {"embedder_model": embedder.spec.name, "speakers_id": rows}
    experiment.update_info(folder, described | ({"speakers": dict(named)} if named else {}))
    filelist.write_filelist(folder, done.outputs, p.sample_rate, p.include_mutes)
    done.fingerprint = fingerprint(p, embedder.spec, work.journal, slices)
    done.details = {"speakers": rows, "redone": redone}
    done.seconds = round(time.monotonic() - started, 3)
    manifest.record(folder, done)
    return _result(p, done, embedder.spec.width, redone)


def clip_names(slices: manifest.Stage) -> list[str]:
    """Names of the slices without folder and ending, in order and once each."""
    return sorted({Path(name).name.removesuffix(".wav") for name in slices.outputs})


def load_embedders(p: params.Extract, report: Report) -> list[tuple[Any, torch.device]]:
    """The embedder asked for, once on each of the devices that share the work."""
    from rvc import device

    choice = device.choose(p.gpu, part="features")
    device.use_kernels(choice.device, choice.tf32)
    log.info("%s", choice.why)
    manager = EmbedderManager(report)
    name, custom, kind = p.embedder_model, p.embedder_model_custom, choice.device.type
    places = [torch.device(kind, n) for n in choice.numbers] if kind != "mps" else []
    return [
        (manager.load(name, custom, device=place, dtype=choice.dtype), place)
        for place in places or [choice.device]
    ]


def _measures(
    p: params.Extract, folder: Path, loaded: Sequence[tuple[Any, torch.device]]
) -> list[slice_features.Measure]:
    """One per device, with one journal."""
    journal = slice_features.Journal(folder)
    return [
        slice_features.Measure(
            folder=folder,
            journal=journal,
            pitch=f0.load(p.f0_method, str(device)),
            embed=embedder.batch,
            pitch_key=f"{p.f0_method} {slice_features.predictors(p.f0_method)}",
            features_key=manifest.digest(_identity(embedder.spec)),
            exact=p.f0_method == "rmvpe",
        )
        for embedder, device in loaded
    ]


def _identity(spec: Any) -> dict[str, Any]:
    return {
        "embedder": spec.name,
        "embedder_digest": spec.digest,
        "width": spec.width,
        "layer": spec.layer,
        "normalize": spec.normalize,
    }


def fingerprint(
    p: params.Extract, spec: Any, journal: slice_features.Journal, slices: manifest.Stage
) -> dict[str, Any]:
    """Everything that decided the outputs; `slices` changes with any of their sound."""
    return {
        **_identity(spec),
        "sample_rate": p.sample_rate,
        "f0_method": p.f0_method,
        "include_mutes": p.include_mutes,
        "preprocess": manifest.digest(slices.fingerprint),
        "slices": manifest.digest({name: e.wave for name, e in journal.entries.items()}),
    }


@contextmanager
def _single_threaded(active: bool) -> Iterator[None]:
    """Each worker is one thread: torch's own threads would only fight over the cores."""
    before = torch.get_num_threads()
    try:
        if active:
            torch.set_num_threads(1)
        yield
    finally:
        torch.set_num_threads(before)


def _work_through(
    works: Sequence[slice_features.Measure],
    names: Sequence[str],
    cores: int,
    device: str,
    done: manifest.Stage,
    report: Report,
) -> int:
    """Measure all slices in parallel; fills outputs and failures of `done`; returns how many anew.

    Several devices take groups of slices in turns.

    Raises:
        Cancelled and everything that makes going on pointless, such as a full disk.
    """
    on_cpu = device == "cpu"
    size = 1 if on_cpu else GROUP
    workers = max(1, min(cores, len(names))) if on_cpu else 2 * len(works)
    redone = 0
    with _single_threaded(on_cpu and workers > 1):
        threads = torch.get_num_threads()
        pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads,))
        turns = cycle(works)
        pending: dict[Future[list[bool]], Sequence[str]] = {}
        groups = deque(names[i : i + size] for i in range(0, len(names), size))
        try:
            while groups or pending:
                while groups and len(pending) < AHEAD * workers:
                    group = groups.popleft()
                    pending[pool.submit(next(turns), group)] = group
                finished, _ = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED)
                for future in finished:
                    group, error = pending.pop(future), future.exception()
                    if error is None:
                        done.outputs.extend(group)
                        redone += sum(future.result())
                    elif len(group) > 1 and not _fatal(error):  # find the one that is at fault
                        groups.extendleft([name] for name in group)
                    else:
                        _note(done, group[0], error)
                _give_up(done, report)
        finally:
            pool.shutdown(cancel_futures=True)
    return redone


def _fatal(error: BaseException) -> bool:
    full = isinstance(error, OSError) and error.errno in FATAL
    return full or not isinstance(error, Exception)


def _note(done: manifest.Stage, name: str, error: BaseException) -> None:
    if _fatal(error):
        raise error
    if not isinstance(error, VoiceError):
        log.debug("%s failed", name, exc_info=error)
    done.fail(f"{name}.wav", error)


def _give_up(done: manifest.Stage, report: Report) -> None:
    """Report progress, and end a run whose verdict is already certain."""
    failed = len(done.failures)
    report(len(done.outputs) + failed, done.inputs, "Pitch and features")
    if failed >= HOPELESS and failed > manifest.FAILURE_LIMIT * done.inputs:
        manifest.judge(done)


def _tidy(folder: Path, journal: slice_features.Journal, names: Sequence[str]) -> None:
    """Delete results of slices that are no more, so that nothing stale is ever picked up."""
    journal.keep(names)
    kept = {file for name in names for file in slice_features.paths(folder, name)}
    for sub in slice_features.FOLDERS:
        for file in (folder / sub).iterdir():
            if file not in kept and file.suffix in (".npy", ".part"):
                file.unlink(missing_ok=True)


def _result(p: params.Extract, done: manifest.Stage, width: int, redone: int) -> dict[str, Any]:
    failed = len(done.failures)
    left_out = f" {failed} left out, first {done.failures[0]}" if failed else ""
    return {
        "message": f"{p.model_name}: pitch ({p.f0_method}) and features ({width} wide) of "
        f"{len(done.outputs)} slices, {redone} of them new, in {done.seconds:.1f} s.{left_out}",
        "slices": len(done.outputs),
        "redone": redone,
        "failures": [str(f) for f in done.failures],
        "seconds": done.seconds,
        "fingerprint": done.fingerprint,
    }
