"""The command line: the group of all commands, and how user errors are printed."""

from __future__ import annotations

import atexit
import gc
import io
import signal
import sys
import threading
from typing import Any

import click

from reage._version import __version__
from reage.cli import batch, edit, judge, models, sweep, train, verify, watch
from reage.cli.hints import explain, tell
from reage.errors import ReageError, one_line

_TORCH_WITHOUT_MEMORY = "can't allocate memory"
"""Part of the text of the RuntimeError that torch raises where memory is short."""


class _Group(click.Group):
    """Turns errors of the user into one line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:
        if isinstance(sys.stdout, io.TextIOWrapper):  # names of files need not be text that can be shown
            sys.stdout.reconfigure(errors="backslashreplace")
        atexit.register(gc.freeze)  # or a tenth of the time goes by in looking through all objects at the end
        before = _on_sigterm(_end_in_order)
        try:
            return super().invoke(ctx)
        except ReageError as error:
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            tell(f"reage: {explain(error, command)}", err=True)
            ctx.exit(2)
        except BrokenPipeError:  # whoever read the output has left; click ends quietly
            raise
        except OSError as error:  # a full disk, a folder that may not be written
            tell(f"reage: {error.filename or 'the system'}: {error.strerror or error}", err=True)
            ctx.exit(2)
        except (MemoryError, RuntimeError) as error:
            if not isinstance(error, MemoryError) and _TORCH_WITHOUT_MEMORY not in str(error):
                raise
            tell(f"reage: there is not enough memory for that: {one_line(error)}", err=True)
            ctx.exit(2)
        finally:
            _on_sigterm(before)


def _on_sigterm(handler: Any) -> Any:
    """Let ``handler`` answer SIGTERM; returns what did before."""
    if threading.current_thread() is not threading.main_thread():  # only there can handlers be set
        return None
    return signal.signal(signal.SIGTERM, signal.SIG_DFL if handler is None else handler)


def _end_in_order(number: int, _: Any) -> None:
    """End as Ctrl-C would, so that files being written are removed, with the exit code of a program so ended."""
    signal.signal(number, signal.SIG_IGN)  # a second one would disturb that
    raise SystemExit(128 + number)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="reage")
def main() -> None:
    """Make the people in photographs and videos look older or younger.

    The output is a plausible edit made by a neural network, not evidence of how anybody will look. Every file that
    reage writes is marked as AI-edited in its metadata.
    """


for _module in (edit, batch, watch, verify, models, train, sweep, judge):
    for _command in _module.COMMANDS:
        main.add_command(_command)

if __name__ == "__main__":
    main(prog_name="reage")
