"""Live elements of our own that hold a value: Gradio's events carry it like any component's.

The element says what it holds in its property `value` and tells of a change by an event
`value-changed`; what an event handler returns is put into that property. `input` is what somebody
did to the element, `change` also what a handler put there.
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

WIRE = """
const own = element.querySelector("[data-value]");
customElements.whenDefined(own.localName).then(() => {
  own.value = props.value ?? null;
  own.addEventListener("value-changed", () => {
    props.value = own.value;
    trigger("change");
    trigger("input");
  });
  watch("value", () => (own.value = props.value ?? null));
});
"""


def holding(tag: str, elem_id: str | None = None, **attributes: str) -> gr.HTML:
    """An element of our own with a value, such as <recording-card>.

    Args:
        tag: its name, defined by one of the page's scripts.
        elem_id: id of the component, for styles and tests.
        attributes: of the element, with "_" for "-".
    """
    said = "".join(f' {k.replace("_", "-")}="{escape(v)}"' for k, v in attributes.items())
    return gr.HTML(
        html_template=f"<{tag} data-value{said}></{tag}>",
        js_on_load=WIRE,
        apply_default_css=False,
        elem_id=elem_id,
    )


def given(value: Any) -> str | None:
    """The path behind the value of such an element, also as Python clients send files."""
    path = value.get("path") if isinstance(value, dict) else value
    return str(path) if path else None
