"""onnxruntime: the one place that opens sessions and knows what they raise. Loads no torch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

OPSET = 17
Layout = Literal["as it is", "optimise"]


class Impossible(ValueError):
    """There is no such graph, however often one tries."""


def errors(*more: type[Exception]) -> tuple[type[Exception], ...]:
    """What onnxruntime raises, and `more`; its exceptions have no common parent of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    found = (getattr(state, name) for name in dir(state))
    own = [kind for kind in found if isinstance(kind, type) and issubclass(kind, Exception)]
    return (*more, *own)


@lru_cache(maxsize=1)
def shrinking_run() -> Any:
    """Options of a run after which working memory goes back to the system.

    Otherwise pieces of different lengths leave ever more holes in it.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@lru_cache(maxsize=1)
def _share_memory() -> None:
    """One pool of working memory for all graphs, which grows by no more than is asked for."""
    import onnxruntime as ort

    kind = ort.OrtMemoryInfo(
        "Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT
    )
    same_as_requested = {
        "max_mem": 0,
        "arena_extend_strategy": 1,
        "initial_chunk_size_bytes": -1,
        "max_dead_bytes_per_chunk": -1,
    }
    ort.create_and_register_allocator(kind, ort.OrtArenaCfg(same_as_requested))


def session(
    model: Path | bytes,
    threads: int = 0,
    layout: Layout = "optimise",
    save_as: Path | None = None,
) -> Any:
    """A session on the CPU.

    Args:
        model: a file, or a model as bytes.
        threads: that one run uses; 0 leaves it to onnxruntime.
        layout: "as it is" for a file that was written by `save_as` on this machine.
        save_as: write the optimised graph here, its weights beside it as this processor wants
            them.
    """
    import onnxruntime

    _share_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # lengths differ from call to call
    entries = {
        "session.use_env_allocators": "1",
        "session.intra_op.allow_spinning": "0",  # be a good neighbour
    }
    if layout == "as it is":
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if save_as is not None:
        options.optimized_model_filepath = str(save_as)
        kept = "session.optimized_model_external_initializers"
        entries[f"{kept}_file_name"] = save_as.with_suffix(".data").name
        entries[f"{kept}_min_size_in_bytes"] = "1024"
        entries["session.save_external_prepacked_constant_initializers"] = "1"
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    source = str(model) if isinstance(model, Path) else model
    return onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
