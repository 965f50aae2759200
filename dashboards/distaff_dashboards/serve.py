"""The server's process: Streamlit, ended with the command that started it."""

from __future__ import annotations

import signal
import sys

from streamlit.web.cli import main

from distaff import lifeline

if __name__ == "__main__":
    lifeline.tie(signal.SIGTERM)
    sys.argv[0] = "streamlit"
    main()
