"""The API's documentation as one page that asks no other host for anything."""

from __future__ import annotations

from html import escape
from typing import Any

STYLE = """
body{font:15px/1.55 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;
color:#1c2430;background:#fbfbfd}
h1{font-size:1.5rem}h2{font-size:1.05rem;margin:2rem 0 .3rem}
code,pre{font:13px/1.5 ui-monospace,monospace}
pre{background:#eef0f6;padding:1rem;border-radius:8px;overflow:auto}
table{border-collapse:collapse;width:100%}
td,th{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #dde1ea;vertical-align:top}
details{margin:.3rem 0}.verb{display:inline-block;min-width:3rem;color:#5a3fd6;font-weight:600}
@media(prefers-color-scheme:dark){body{background:#12141b;color:#e4e7ef}pre{background:#1b1e28}
td,th{border-color:#2b3040}.verb{color:#a795ff}}
"""

EXAMPLE = """import requests

api = "http://127.0.0.1:6969/api"
with open("speech.wav", "rb") as recording:
    sent = requests.post(f"{api}/files", params={"name": "speech.wav"}, data=recording).json()
job = requests.post(f"{api}/infer", params={"wait_s": 600}, json={
    "input_path": sent["path"], "output_path": "assets/audios/result.wav",
    "pth_path": "logs/anna/anna.pth",
}).json()
print(job["state"], job["result"] or job["error"])"""


def page(schema: dict[str, Any]) -> str:
    """HTML for an OpenAPI document."""
    parts = [
        "<!doctype html><meta charset=utf-8><meta name=viewport content='width=device-width'>",
        f"<title>API</title><style>{STYLE}</style><h1>{escape(schema['info']['title'])}</h1>",
        "<p>Each verb starts a job and answers at once (or after <code>wait_s</code>). ",
        "The machine-readable form is <a href='openapi.json'>openapi.json</a>.</p>",
        f"<pre>{escape(EXAMPLE)}</pre>",
    ]
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(schema, path, method, operation))
    return "".join(parts)


def _operation(schema: dict[str, Any], path: str, method: str, operation: dict[str, Any]) -> str:
    head = f"<h2><span class=verb>{method.upper()}</span> <code>{escape(path)}</code></h2>"
    text = f"<p>{escape(operation.get('summary', ''))}</p>"
    rows = [
        _row(p["name"], p["schema"], p.get("required", False), p["schema"].get("description", ""))
        for p in operation.get("parameters", [])
    ]
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    body = _resolve(schema, content.get("schema", {}))
    needed = body.get("required", [])
    rows += [
        _row(name, field, name in needed, field.get("description", ""))
        for name, field in body.get("properties", {}).items()
    ]
    if not rows:
        return head + text
    table = "<table><tr><th>Name<th>Values<th>Default<th>Meaning</tr>" + "".join(rows) + "</table>"
    return f"{head}{text}<details><summary>Parameters</summary>{table}</details>"


def _row(name: str, field: dict[str, Any], required: bool, text: str) -> str:
    default = "required" if required else str(field.get("default", ""))
    return (
        f"<tr><td><code>{escape(name)}</code><td>{escape(_values(field))}"
        f"<td>{escape(default)}<td>{escape(text)}</tr>"
    )


def _values(field: dict[str, Any]) -> str:
    if "anyOf" in field:
        return " or ".join(_values(f) for f in field["anyOf"] if f.get("type") != "null")
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    low, high = field.get("minimum"), field.get("maximum")
    kind = str(field.get("type", field.get("const", "")))
    return kind if low is None and high is None else f"{kind} {low} … {high}"


def _resolve(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    name = part.get("$ref", "").rpartition("/")[2]
    return schema["components"]["schemas"][name] if name else part
