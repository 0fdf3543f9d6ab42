"""What can be pressed or typed into is seen: 3:1 for edges, 4.5:1 for text, in both themes."""

from __future__ import annotations

import re

import pytest

from rvc.config import ASSETS
from tabs import theme

TOKENS = (ASSETS / "ui" / "tokens.css").read_text(encoding="utf-8")
SURFACES = {  # of the page, of a card, of a field
    "light": ("#f3f1ed", "#fffefc", "#ffffff"),
    "dark": ("#131211", "#1d1c1a", "#262421"),
}
EDGES = ("edge", "track")
TEXTS = ("good", "warn", "bad", "accent-text")


def table(name: str) -> dict[str, str]:
    """Colours of the table of measures in one theme."""
    light, dark = (
        re.findall(r"--([\w-]+): (#[0-9a-f]+);", part) for part in TOKENS.split(".dark {")
    )
    return dict(light) | (dict(dark) if name == "dark" else {})


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2.2."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def resolved(key: str) -> str:
    """A colour of the theme, such as "*neutral_500", as a number."""
    value = {**theme.SURFACES, **theme.BLOCKS, **theme.BUTTONS}[key]
    if not value.startswith("*"):
        return value
    hue, step = value.removeprefix("*").split("_")
    palette = theme.STONE if hue == "neutral" else theme.ACCENT
    return str(getattr(palette, f"c{step}"))


def test_black_on_white_is_the_known_extreme() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("name", ["light", "dark"])
def test_edges_and_texts_of_the_table_stand_out(name: str) -> None:
    colours = table(name)
    for surface in SURFACES[name]:
        assert all(contrast(colours[edge], surface) >= 3 for edge in EDGES), surface
        assert all(contrast(colours[text], surface) >= 4.5 for text in TEXTS), surface


@pytest.mark.parametrize("name", ["light", "dark"])
def test_the_theme_s_own_texts_and_fields_stand_out(name: str) -> None:
    end = "" if name == "light" else "_dark"
    for surface in SURFACES[name]:
        assert contrast(resolved(f"body_text_color_subdued{end}"), surface) >= 4.5
        assert contrast(resolved(f"input_border_color{end}"), surface) >= 3
        assert contrast(resolved(f"slider_color{end}"), surface) >= 3
    button = resolved(f"button_primary_background_fill{end}")
    assert contrast(resolved(f"button_primary_text_color{end}"), button) >= 4.5
