"""The server's process: Streamlit, ended with the command that started it."""

from __future__ import annotations

import importlib
import signal
import sys
import threading

from streamlit.web.cli import main

from distaff import lifeline


def _warm() -> None:
    """Import what boards need while the browser opens: the first page would have to wait for it."""
    importlib.import_module("distaff.board.board")


if __name__ == "__main__":
    lifeline.tie(signal.SIGTERM)
    threading.Thread(target=_warm, daemon=True).start()
    sys.argv[0] = "streamlit"
    main()
