"""Another language is shown at once, while the program goes on."""

from pathlib import Path

from fastapi.testclient import TestClient

import app as program
from rvc.config import Settings, save_settings
from rvc.server import Access


def test_the_page_changes_its_language_without_a_new_start(home: Path) -> None:
    save_settings(Settings(language="en"))
    with TestClient(program.create(Access()), base_url="http://127.0.0.1") as client:
        assert "Who should it sound like?" in client.get("/").text
        assert client.post("/api/page").json() == {"changed": False}
        save_settings(Settings(language="de"))
        assert client.post("/api/page").json() == {"changed": True}
        text = client.get("/").text
        assert "Wie wer soll es klingen?" in text
        called = client.post("/gradio_api/call/voices", json={"data": []})
        stream = client.get(f"/gradio_api/call/voices/{called.json()['event_id']}")
        assert "event: complete" in stream.text  # its queue works, too
