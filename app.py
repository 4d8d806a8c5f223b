"""The page as a Hugging Face Space, or any host that runs ``python app.py``: `docs/web.md` says what it needs."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("reage") is None:  # a Space installs requirements.txt, and not the repository itself
    sys.path.insert(0, str(Path(__file__).parent / "src"))

from reage.web.server import serve

if __name__ == "__main__":
    serve("0.0.0.0", int(os.environ.get("PORT", "7860")))
