"""Recordings into slices, as one transaction: the new set is complete or the old one stays.

New slices get file numbers that no slice, pitch or feature file uses, so nothing left over from
an earlier run can be taken for theirs. Only when all are written does the manifest name them;
then what belongs to no named slice is removed. Recordings that did not change keep their slices.
"""

from __future__ import annotations

import logging
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rvc import Report, config, failures, params, workers
from rvc.dataset import experiment, lock, manifest, slice_set, slices
from rvc.dataset.manifest import Stage
from rvc.dataset.scan import RecordingSet, scan
from rvc.dataset.slice_set import Sources
from rvc.dataset.slices import FOLDERS, Options, Outcome, Uncut, work
from rvc.errors import BadInput

LOG = logging.getLogger(__name__)
STAGE = "preprocess"
DAMAGED_LIMIT = 0.5  # share of the recordings; what is silent, empty or too short does not count
NOTE = "Cutting"


def run(p: params.Preprocess, report: Report) -> dict[str, Any]:
    """Cut the recordings of a dataset into training slices.

    Raises:
        BadInput: no such dataset, nothing in it, an unusable name or rate.
        StageFailed: no slice came out, or too many recordings failed.
        Busy, OSError, Cancelled: with the earlier slices as they were.
    """
    began = time.monotonic()
    folder, options = config.experiment(p.model_name), _options(p)
    template = config.CONFIGS / f"{p.sample_rate}.json"
    if not template.is_file():
        raise BadInput(f"There is no configuration for {p.sample_rate} Hz.", "Choose another.")
    before = manifest.stage(folder, STAGE) or Stage(STAGE)
    known = {int(k): v for k, v in before.details.get("speakers", {}).items()}
    dataset = scan(p.dataset_path, known, one=p.speakers == "one")
    with lock.hold(folder):
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        done, old = _plan(dataset, options, before, folder)
        kept = set(done)
        try:
            _make(dataset, options, folder, done, old, p.cpu_cores, report)
            stage = _stage(dataset, options, done, time.monotonic() - began)
            damaged = stage.details["left_out"].get("damaged", 0)
            manifest.judge(stage, DAMAGED_LIMIT if damaged > DAMAGED_LIMIT * stage.inputs else 1.0)
        except BaseException:
            slice_set.drop(folder, {done[key]["number"] for key in done.keys() - kept})
            raise
        _commit(folder, stage, before)
    return _result(p, stage, dataset, kept, before)


def _options(p: params.Preprocess) -> Options:
    simple = p.cut_preprocess == "Simple"
    return Options(
        sample_rate=p.sample_rate,
        cut=p.cut_preprocess,
        chunk_s=p.chunk_len if simple else 0.0,
        overlap_s=p.overlap_len if simple else 0.0,
        highpass=p.process_effects,
        denoise=p.noise_reduction_strength if p.noise_reduction else None,
        normalise=p.normalization_mode,
        separate=_networks() if p.separate else None,
        gate_db=p.gate_db if p.cut_preprocess == "Automatic" else "",
        track=p.track,
    )


def _networks() -> str:
    """What takes music out, for the manifest: other networks give other slices."""
    from rvc.separation import models

    return f"kit {models.load().digest[:16]}"


def _plan(
    dataset: RecordingSet, options: Options, before: Stage, folder: Path
) -> tuple[Sources, Sources]:
    """(what can stay as it is, all that an earlier run made), by the recordings' keys."""
    old: Sources = before.details.get("sources", {})
    same = not manifest.differences(before.fingerprint, _fingerprint(options))
    done = {
        r.key: old[r.key]
        for r in dataset.recordings
        if same and r.key in old and slice_set.unchanged(r, old[r.key], folder)
    }
    return done, old


def _make(
    dataset: RecordingSet,
    options: Options,
    folder: Path,
    done: Sources,
    old: Sources,
    cores: int,
    report: Report,
) -> None:
    """Cut every recording that is not in `done` and enter it there, good or bad."""
    uncut: list[Uncut] = []
    todo = [r for r in dataset.recordings if r.key not in done]
    for recording, number in zip(todo, slice_set.free_numbers(folder, old), strict=False):
        done[recording.key] = entry = slice_set.entry(recording, number)
        stem = f"{recording.speaker}_{number}"
        try:
            uncut += slices.split(recording.path, recording.key, stem, options, folder)
        except BadInput as error:
            entry["cause"] = error.message
            entry["kind"] = slices.EMPTY if _is_empty(recording.path) else ""
        except OSError as error:
            entry["cause"] = failures.explain(error).message
    for outcome in workers.spread(uncut, work, _crashed, cores, report, NOTE):
        _enter(done[outcome.key], outcome)


def _crashed(uncut: Uncut) -> Outcome:
    return Outcome(uncut.key, cause=f"{uncut.path} crashed the decoder.")


def _enter(entry: dict[str, Any], outcome: Outcome) -> None:
    """Add what cutting gave to its recording's entry."""
    entry["slices"] += outcome.slices
    entry["seconds"] = round(entry["seconds"] + outcome.seconds, 4)
    entry["clipped"] = round(entry["clipped"] + outcome.clipped, 6)
    entry["warnings"] += [text for text in outcome.warnings if text not in entry["warnings"]]
    entry.setdefault("losses", []).extend(outcome.losses)
    entry["digest"] = outcome.digest or entry["digest"]
    if outcome.cause and entry["slices"]:
        entry["warnings"].append(f"{outcome.key}: only a part could be used: {outcome.cause}")
    elif outcome.cause:
        entry["cause"], entry["kind"] = outcome.cause, outcome.kind


def _is_empty(path: Path) -> bool:
    """Whether there is nothing: no byte, or a link to nowhere."""
    return path.stat().st_size == 0 if path.exists() else path.is_symlink()


def _fingerprint(options: Options) -> dict[str, Any]:
    return {**asdict(options), "slicer": slices.VERSION}


def _stage(dataset: RecordingSet, options: Options, done: Sources, seconds: float) -> Stage:
    """The record of the whole set."""
    stage = Stage(STAGE, _fingerprint(options), inputs=len(dataset.recordings), seconds=seconds)
    sources = {r.key: done[r.key] for r in dataset.recordings}
    kinds: dict[str, int] = {}
    for key, entry in sources.items():
        if not entry["slices"]:
            stage.fail(key, entry["cause"] or "it is silent.")
            kind = entry.get("kind") or ("damaged" if entry["cause"] else slices.SILENT)
            kinds[kind] = kinds.get(kind, 0) + 1
        stage.outputs += sorted(entry["slices"])
        stage.warnings += entry["warnings"]
        if entry["clipped"] > slices.CLIPPED_SHARE * entry["seconds"]:
            share = entry["clipped"] / entry["seconds"]
            stage.warnings.append(f"{key}: clipped, {share:.1%} of it lies at full scale")
    content = sorted((e["digest"], e["speaker"], e["number"]) for e in sources.values())
    stage.fingerprint["data"] = manifest.digest(content)
    stage.details = {
        "sources": sources,
        "left_out": kinds,
        "speakers": {str(number): name for number, name in sorted(dataset.names.items())},
        "total_seconds": round(sum(e["seconds"] for e in sources.values() if e["slices"]), 3),
    }
    return stage


def _commit(folder: Path, stage: Stage, before: Stage) -> None:
    """Make the new set the experiment's set, then remove what belongs to no slice of it."""
    if set(stage.outputs) != set(before.outputs):
        (folder / "filelist.txt").unlink(missing_ok=True)
    manifest.record(folder, stage)
    slice_set.drop_strangers(folder, stage.outputs)
    total = stage.details["total_seconds"]
    described = {"total_dataset_duration": experiment.duration(total), "total_seconds": total}
    experiment.update_info(folder, described | {"speakers": stage.details["speakers"]})
    experiment.write_config(folder, stage.fingerprint["sample_rate"])


def _failed(stage: Stage) -> str:
    """How many recordings were left out for what, with the first of them."""
    if not stage.failures:
        return ""
    counts = ", ".join(f"{count} {kind}" for kind, count in stage.details["left_out"].items())
    first = " ".join(str(failure) for failure in stage.failures[:3])
    return f"Left out: {counts}. {first}" + (" …" if len(stage.failures) > 3 else "")


def _understood(p: params.Preprocess, dataset: RecordingSet, speakers: list[int]) -> str:
    """How folders were taken, where that could have been meant otherwise."""
    if len(speakers) > 1:
        return "Each folder was taken for a speaker; --speakers one takes them for one."
    inside = any("/" in recording.key for recording in dataset.recordings)
    return "All folders were taken for one speaker." * (inside and p.speakers == "one")


def _result(
    p: params.Preprocess, stage: Stage, dataset: RecordingSet, kept: set[str], before: Stage
) -> dict[str, Any]:
    total = stage.details["total_seconds"]
    sources: Sources = stage.details["sources"]
    speakers = sorted({entry["speaker"] for entry in sources.values() if entry["slices"]})
    losses = {key: entry["losses"] for key, entry in sources.items() if entry.get("losses")}
    damaged = f"{len(losses)} recording(s) are damaged or cut off, see the warnings."
    said = [_failed(stage), dataset.left_out(), _understood(p, dataset, speakers)]
    said += ["Music was taken out."] if p.separate else []
    said += [damaged] if losses else []
    message = (
        f"{p.model_name}: {total / 60:.1f} minutes in {stage.inputs - len(stage.failures)} "
        f"recordings of {len(speakers)} speaker(s) gave {len(stage.outputs)} slices in "
        f"{stage.seconds:.1f} s; {len(kept)} recordings were up to date."
    )
    message = " ".join([message, *filter(None, said)])
    for text in stage.warnings:
        LOG.warning("%s", text)
    return {
        "message": message,
        "model_name": p.model_name,
        "slices": len(stage.outputs),
        "total_seconds": total,
        "speakers": {str(n): stage.details["speakers"].get(str(n), str(n)) for n in speakers},
        "up_to_date": len(kept),
        "cut": stage.inputs - len(kept),
        "removed": len(before.details.get("sources", {}).keys() - sources.keys()),
        "left_out": stage.details["left_out"],
        "system_folders": dataset.system_folders,
        "other_files": dataset.endings,
        "unreadable": dataset.unreadable,
        "failures": [asdict(failure) for failure in stage.failures],
        "warnings": stage.warnings,
        "losses": losses,
        "seconds": round(stage.seconds, 2),
    }
