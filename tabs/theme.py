"""The look: one theme, one accent, system fonts; nothing is fetched from anywhere."""

from __future__ import annotations

import gradio as gr

ACCENT = gr.themes.Color(
    "#effaf7", "#d3f2ea", "#a8e4d6", "#74cfbd", "#43b3a0", "#1f9685",
    "#0f776b", "#0f6058", "#114d48", "#12403c", "#052624", name="accent",
)  # fmt: skip
STONE = gr.themes.Color(
    "#faf9f7", "#f3f1ed", "#e7e3dc", "#d5cfc5", "#a8a196", "#665f57",
    "#544e46", "#423e38", "#2a2824", "#1c1b18", "#121110", name="stone",
)  # fmt: skip
SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Noto Sans", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace"]
SURFACES = {
    "body_background_fill": "*neutral_100",
    "body_background_fill_dark": "#131211",
    "body_text_color": "*neutral_900",
    "body_text_color_dark": "#ebe8e2",
    "body_text_color_subdued": "*neutral_500",
    "body_text_color_subdued_dark": "#a39d92",
    "background_fill_primary": "#fffefc",
    "background_fill_primary_dark": "#1d1c1a",
    "background_fill_secondary": "*neutral_50",
    "background_fill_secondary_dark": "#181715",
    "border_color_primary": "*neutral_200",
    "border_color_primary_dark": "#35322d",
    "slider_color": "*primary_600",
    "slider_color_dark": "*primary_400",
    "color_accent": "*primary_600",
    "color_accent_soft": "*primary_50",
    "color_accent_soft_dark": "#16302c",
    "layout_gap": "14px",
}
BLOCKS = {
    "block_background_fill": "transparent",
    "block_background_fill_dark": "transparent",
    "block_border_width": "0px",
    "block_shadow": "none",
    "block_padding": "0px",
    "block_label_background_fill": "transparent",
    "block_label_background_fill_dark": "transparent",
    "block_label_border_width": "0px",
    "block_label_text_color": "*body_text_color_subdued",
    "block_title_text_color": "*body_text_color",
    "block_title_text_color_dark": "*body_text_color",
    "block_title_text_weight": "600",
    "block_title_text_size": "0.92rem",
    "block_info_text_size": "0.82rem",
    "input_background_fill": "#ffffff",
    "input_background_fill_dark": "#262421",
    "input_border_width": "1px",
    "input_border_color": "#8a8378",
    "input_border_color_dark": "#827a6e",
    "input_border_color_focus": "*primary_500",
    "input_shadow_focus": "0 0 0 3px color-mix(in srgb, *primary_500 25%, transparent)",
}
BUTTONS = {
    "button_primary_background_fill": "*primary_600",
    "button_primary_background_fill_hover": "*primary_700",
    "button_primary_background_fill_dark": "*primary_500",
    "button_primary_background_fill_hover_dark": "*primary_400",
    "button_primary_text_color": "#ffffff",
    "button_primary_text_color_dark": "#06110f",
    "button_secondary_background_fill": "*neutral_200",
    "button_secondary_background_fill_hover": "*neutral_300",
    "button_secondary_background_fill_dark": "#2e2b27",
    "button_secondary_background_fill_hover_dark": "#3a3631",
    "button_large_radius": "999px",
    "button_medium_radius": "999px",
    "button_small_radius": "999px",
    "checkbox_border_color": "#8a8378",
    "checkbox_border_color_dark": "#827a6e",
    "checkbox_background_color_selected": "*primary_600",
    "checkbox_border_color_selected": "*primary_600",
    "checkbox_label_background_fill": "transparent",
    "checkbox_label_background_fill_dark": "transparent",
    "checkbox_label_background_fill_hover": "*neutral_100",
    "checkbox_label_background_fill_hover_dark": "#262421",
}


def theme() -> gr.themes.Base:
    """Calm surfaces, generous radius, one strong button."""
    return gr.themes.Base(
        primary_hue=ACCENT,
        secondary_hue=ACCENT,
        neutral_hue=STONE,
        radius_size=gr.themes.sizes.radius_lg,
        spacing_size=gr.themes.sizes.spacing_md,
        text_size=gr.themes.sizes.text_md,
        font=SANS,
        font_mono=MONO,
    ).set(**SURFACES, **BLOCKS, **BUTTONS)
