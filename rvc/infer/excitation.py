"""Where a piece's sine source begins, so that its phase runs on from the piece before."""

from __future__ import annotations

import numpy as np


def turns(f0_hz: np.ndarray, glides: bool, frame_rate: int = 100) -> np.ndarray:
    """(T,) Hz -> (T,) turns of the fundamental made within each frame.

    Args:
        glides: the source interpolates the pitch between the middles of frames (RefineGAN);
            otherwise it holds it for a frame.
    """
    hz = np.asarray(f0_hz, np.float64)
    if glides and len(hz):
        around = np.pad(hz, 1, mode="edge")
        hz = (around[:-2] + 6 * hz + around[2:]) / 8
    return hz / frame_rate


def advance(phase: float, f0_hz: np.ndarray, since: int, to: int, glides: bool) -> float:
    """Phase in turns (0..1) where frame `to` of the pitch (T,) begins, from that of `since`."""
    first = max(0, since - 1)
    made = turns(f0_hz[first : to + 1], glides)[since - first : to - first]
    return float((phase + made.sum()) % 1.0)


def lead_in(
    f0_hz: np.ndarray, core: int, phase: float, glides: bool, frame_rate: int = 100
) -> float:
    """Pitch in Hz of one frame to put before a piece so that it has `phase` where its core starts.

    Args:
        f0_hz: (T,) pitch of the piece with its context.
        core: frame of the piece where the phase counts.
        phase: in turns.
    """
    made = turns(np.concatenate([[0.0], f0_hz]), glides, frame_rate)[: core + 1].sum()
    return float((phase - made) % 1.0 * frame_rate)
