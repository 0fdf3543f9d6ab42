"""The page behind the server's routes, in a language that can change while the program goes on."""

from __future__ import annotations

from typing import Any, cast

from fastapi import FastAPI
from gradio.routes import mount_gradio_app
from starlette.concurrency import run_in_threadpool
from starlette.routing import Mount

from rvc.config import load_settings, paths
from rvc.server import Access
from tabs import head, i18n, layout, theme
from tabs.page import Page

MAX_FILE = "1gb"
QUEUE_S = 0.02  # between looks at its queue; by itself Gradio looks a thousand times a second
UNUSED_S = 1.0  # between looks for progress of its own kind, of which the page has none


def show(app: FastAPI, access: Access) -> None:
    """Put the page behind all routes, and a route before it that follows the language set."""
    shown = i18n.choose(load_settings().language)

    async def renew() -> dict[str, bool]:
        """The page in the language that is set now; whether that is another one than before."""
        nonlocal shown
        wanted = i18n.choose(load_settings().language)
        if wanted == shown:
            return {"changed": False}
        before = app.router.routes[-1]
        page = await run_in_threadpool(_mount, app, access, wanted)
        app.router.routes.remove(before)
        page.get_blocks().run_startup_events()
        await page.get_blocks().run_extra_startup_events()
        shown = wanted
        return {"changed": True}

    text = "Show the page in the language that is set."
    app.post("/api/page", tags=["machine"], summary=text)(renew)
    _mount(app, access, shown)


def _mount(app: FastAPI, access: Access, language: str) -> Any:
    """Build the page in a language and put it behind all routes; returns Gradio's app of it."""
    blocks = layout.build(Page(i18n.translator(language), app.state.fence))
    mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        allowed_paths=[str(folder) for folder in app.state.fence.outputs()],
        blocked_paths=[str(paths().settings)],
        max_file_size=MAX_FILE,
        show_error=True,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=theme.theme(),
        css_paths=head.styles(),
        head=head.head(i18n.table(language), language),
        root_path=access.root_url or access.root_path or None,
    )
    blocks._queue.sleep_when_free = QUEUE_S
    blocks._queue.progress_update_sleep_when_free = UNUSED_S
    blocks.has_launched = True  # or Gradio lets a request name any file as one it uploaded
    return cast(Mount, app.router.routes[-1]).app
