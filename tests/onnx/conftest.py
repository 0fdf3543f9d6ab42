"""The tiny voice of the conversion's tests, for graphs too."""

from __future__ import annotations

from tests.infer.conftest import _graphs_are_made_here, fake_networks, voice  # noqa: F401
