"""The verb `tensorboard`: TensorBoard over all trainings, until somebody stops it."""

from __future__ import annotations

import logging
import socket
import time
from typing import Any

from rvc import Report, params, silent
from rvc.config import paths
from rvc.errors import BadInput, MissingModel

LOG = logging.getLogger(__name__)
PORTS = 20  # tried one after the other
CARDS = ("loss/g/total", "loss/d/adv", "loss/g/kl", "loss/g/mel")
PAUSE_S = 0.5


def run(p: params.Tensorboard, report: Report = silent) -> dict[str, Any]:
    """Serve the curves; the address is in the progress note and, at last, in the result.

    Raises:
        MissingModel: TensorBoard is not installed. BadInput: no free port.
    """
    try:
        from tensorboard import program
    except ImportError as error:
        raise MissingModel(
            "TensorBoard is not installed.", "Install it: pip install tensorboard"
        ) from error
    for chatty in ("tensorboard", "werkzeug"):  # how it starts, and every request
        logging.getLogger(chatty).setLevel(logging.WARNING)
    logs = paths().logs
    logs.mkdir(parents=True, exist_ok=True)
    board: Any = program.TensorBoard()
    port = free_port(p.host, p.port)
    board.configure(argv=[None, "--logdir", str(logs), "--host", p.host, "--port", str(port)])
    url = address(board.launch())
    LOG.info("TensorBoard: %s", url)
    try:
        wait(url, report)
    except KeyboardInterrupt:
        LOG.info("Stopped.")
    return {"message": f"TensorBoard was at {url}.", "url": url}


def wait(url: str, report: Report) -> None:
    """Say where it is until `report` raises Cancelled or the keyboard interrupts."""
    while True:
        report(0, 1, f"TensorBoard runs at {url}")
        time.sleep(PAUSE_S)


def address(url: str) -> str:
    """The page with the curves that matter pinned to its top."""
    pinned = "%2C".join(card.replace("/", "%2F") for card in CARDS)
    return f"{url.rstrip('/')}/?pinnedCards={pinned}#timeseries"


def free_port(host: str, first: int) -> int:
    """The first port from `first` on that nobody listens on.

    Raises:
        BadInput: none of twenty is free, or the address is not of this machine.
    """
    for port in range(first, min(first + PORTS, 65536)):
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((host, port))
            except OSError:
                continue
            return port
    raise BadInput(f"No port from {first} on is free at {host}.", "Give another --port or --host.")
