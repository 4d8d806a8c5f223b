"""The page as a Hugging Face Space, or on any host that runs ``python app.py``; `docs/web.md` says what it needs.

Environment variables: ``PORT`` (7860), and what `reage web` takes as options: ``REAGE_MODEL``, a bundle or a name on
the Hugging Face Hub, ``REAGE_ALLOW_HOST`` and ``REAGE_ALLOW_FRAME``, each several names apart by spaces, and
``REAGE_AUTH``.
"""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

if find_spec("reage") is None:  # a Space installs requirements.txt, and not the repository itself
    sys.path.insert(0, str(Path(__file__).parent / "src"))

from reage.cli.hints import explain
from reage.errors import ReageError
from reage.web.access import Access
from reage.web.server import serve


def main() -> None:
    """Serve the page: on a Space to everybody, elsewhere to this machine alone."""
    hosts = os.environ.get("REAGE_ALLOW_HOST", "").split()
    frames = os.environ.get("REAGE_ALLOW_FRAME", "").split()
    on_a_space = "SPACE_ID" in os.environ
    if (
        on_a_space
    ):  # shown in a frame of Hugging Face's site, and asked how it does under names of the network within
        hosts += [os.environ.get("SPACE_HOST", "localhost"), "*"]
        frames += ["https://huggingface.co"]
        # Says which visitor a request comes from. Only machines of that network can say so.
        os.environ.setdefault("FORWARDED_ALLOW_IPS", "10.0.0.0/8")
    access = Access(tuple(hosts), tuple(frames), os.environ.get("REAGE_AUTH"))
    address = "0.0.0.0" if on_a_space else "127.0.0.1"
    model = os.environ.get("REAGE_MODEL") or None
    serve(address, int(os.environ.get("PORT", "7860")), model=model, access=access)


if __name__ == "__main__":
    try:
        main()
    except ReageError as error:
        print(f"Error: {explain(error)}", file=sys.stderr)
        sys.exit(2)
