"""Sessions of onnxruntime, which share one pool of working memory. Loads no torch."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any


@lru_cache(maxsize=1)
def given_back() -> Any:
    """Options of a run after which working memory goes back to the system.

    Otherwise pieces of different lengths leave ever more holes in it.
    """
    import onnxruntime

    options = onnxruntime.RunOptions()
    options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")
    return options


@lru_cache(maxsize=1)
def _shared_memory() -> None:
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


def session(file: Path, threads: int = 0, optimised: Path | None = None) -> Any:
    """An onnxruntime session of a graph.

    Args:
        threads: that one run uses; 0 leaves it to onnxruntime.
        optimised: the file is fresh from the exporter: optimise it and write the result here,
            its weights beside it.
    """
    import onnxruntime

    _shared_memory()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    options.enable_mem_pattern = False  # lengths differ from call to call
    entries = {
        "session.use_env_allocators": "1",
        "session.intra_op.allow_spinning": "0",  # be a good neighbour
    }
    if optimised is None:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    else:
        options.optimized_model_filepath = str(optimised)
        kept = "session.optimized_model_external_initializers"
        entries[f"{kept}_file_name"] = optimised.with_suffix(".data").name
        entries[f"{kept}_min_size_in_bytes"] = "1024"
        entries["session.save_external_prepacked_constant_initializers"] = "1"
    for key, value in entries.items():
        options.add_session_config_entry(key, value)
    return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
