"""The server's process: Streamlit, ended with the command that started it."""

from __future__ import annotations

import importlib
import signal
import sys
import threading

from streamlit.web.cli import main

from distaff import lifeline

_NEEDED = ("distaff_data.workspace", "streamlit.elements.plotly_chart", "plotly.graph_objects", "distaff.board.board")


def _warm() -> None:
    """Import what pages need, the first one first, while the browser opens: it would have to wait for all of it."""
    for name in _NEEDED:
        importlib.import_module(name)


if __name__ == "__main__":
    lifeline.tie(signal.SIGTERM)
    threading.Thread(target=_warm, daemon=True).start()
    sys.argv[0] = "streamlit"
    main()
