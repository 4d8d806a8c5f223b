"""Opens, downloads and publishes model bundles on the Hugging Face Hub.

A model there is called ``hf://owner/name``, or ``hf://owner/name@revision`` with a branch, a tag or a commit. Only the
manifest and the files that it names are fetched, into the cache that all Hugging Face programs share; nothing of it is
unpickled or executed but the ONNX graphs, and hashes are checked as for any bundle.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reage._version import __version__
from reage.bundle import Bundle, open_bundle
from reage.errors import BundleError, HubError, one_line
from reage.hub.card import front_matter
from reage.manifest import parse_manifest

SCHEME = "hf://"
_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


@dataclass(frozen=True)
class HubModel:
    """The name of a model on the Hub. Raises `HubError` for what cannot be one."""

    name: str
    """``owner/name``."""
    revision: str | None = None
    """A branch, a tag, or the hash of a commit; None is the branch ``main``."""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise HubError(f"'{self.name}' is not a model name on the Hub; give owner/name")

    def __str__(self) -> str:
        return f"{SCHEME}{self.name}{'@' + self.revision if self.revision else ''}"

    @classmethod
    def parse(cls, text: str) -> HubModel:
        """``owner/name@revision``, with or without ``hf://`` before it and the revision behind it."""
        name, _, revision = text.removeprefix(SCHEME).partition("@")
        return cls(name, revision or None)


def open_model(place: str | os.PathLike[str] | None) -> Bundle:
    """Open a model bundle, wherever it is.

    Args:
        place: a folder or zip file, or ``hf://owner/name@revision``; None is the embedded bundle.

    Raises:
        BundleError: as `reage.bundle.open_bundle`; `HubError`, which is one, as `pull`.
    """
    if isinstance(place, str) and place.startswith(SCHEME):
        return pull(HubModel.parse(place))
    return open_bundle(place)


def pull(model: HubModel) -> Bundle:
    """Fetch a model from the Hub, unless the cache has it, and open it.

    ``Bundle.origin`` then names the commit, and so does the mark of every picture made with it. The environment
    variables of huggingface_hub hold: ``HF_TOKEN``, ``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_ENDPOINT`` and others.

    Raises:
        HubError: there is no such model or revision, it is private or gated, the Hub cannot be reached and the cache
            has no copy, or it holds no model bundle, or one that was altered.
    """
    hub = _module()
    with _hub_errors(model), _quietly():
        folder = _fetch(hub, model.name, model.revision, ["manifest.json"])
        pinned = HubModel(model.name, folder.name)
        try:
            content = (folder / "manifest.json").read_bytes()
        except FileNotFoundError:
            raise HubError(f"{model} is not a model bundle: it has no file manifest.json") from None
        try:
            _fetch(hub, model.name, pinned.revision, sorted(parse_manifest(content).files))
            return open_bundle(folder, origin=str(pinned))
        except HubError:
            raise
        except BundleError as error:
            raise HubError(f"{pinned}: {error}") from error


def push(model: HubModel, bundle: Bundle, *, private: bool = False) -> HubModel:
    """Publish ``bundle`` as one commit, making the repository if there is none; returns its name with the commit.

    ``README.md`` becomes the model card with the metadata that the Hub reads; the other files go as they are. The
    token is that of ``HF_TOKEN`` or ``hf auth login``. ``private`` is for a repository that is made now.

    Raises:
        HubError: the Hub cannot be reached, or refuses.
    """
    hub = _module()
    api = hub.HfApi(library_name="reage", library_version=__version__)
    readme = f"{front_matter(bundle.manifest)}\n{bundle.card or f'# {bundle.manifest.title}'}"
    files = {"README.md": readme.encode(), **bundle.files()}
    with _hub_errors(model), _quietly():
        api.create_repo(model.name, private=private, exist_ok=True)
        commit = api.create_commit(
            model.name,
            [hub.CommitOperationAdd(name, content) for name, content in files.items()],
            commit_message=f"{bundle.manifest.title}, by reage {__version__}",
        )
    return HubModel(model.name, commit.oid)


def _module() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise HubError("models on the Hub need huggingface_hub: pip install 'reage[hub]'") from error
    return huggingface_hub


def _fetch(hub: Any, name: str, revision: str | None, files: list[str]) -> Path:
    """The folder of the cache, named by the commit, in which ``files`` of the model now lie."""
    return Path(
        hub.snapshot_download(
            name,
            revision=revision,
            allow_patterns=files,
            library_name="reage",
            library_version=__version__,
        )
    )


@contextmanager
def _quietly() -> Iterator[None]:
    """huggingface_hub shows no progress bars inside, models being small, and no warnings: errors say it all."""
    from huggingface_hub.utils import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
        logging,
    )

    bars, verbosity = not are_progress_bars_disabled(), logging.get_verbosity()
    logging.set_verbosity_error()
    if bars:
        disable_progress_bars()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            enable_progress_bars()


@contextmanager
def _hub_errors(model: HubModel) -> Iterator[None]:
    """Turns what huggingface_hub raises into one line."""
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise HubError(
            f"{model} is gated: accept its conditions on its page, and set HF_TOKEN to a token that may read it"
        ) from error
    except errors.RevisionNotFoundError as error:
        raise HubError(f"{model}: there is no such revision") from error
    except errors.RepositoryNotFoundError as error:
        raise HubError(
            f"{model}: there is no such model, or it is private and HF_TOKEN gives no access to it"
        ) from error
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise HubError(
                f"{model}: the Hub refuses access ({status}); set HF_TOKEN to a token that allows this"
            ) from error
        raise HubError(f"{model}: the Hub answers {status}: {one_line(error)}") from error
    except errors.LocalEntryNotFoundError as error:
        offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
        reason = "HF_HUB_OFFLINE is set" if offline else "the Hub cannot be reached"
        raise HubError(f"{model}: {reason}, and there is no complete copy in the cache") from error
    except (errors.OfflineModeIsEnabled, errors.HTTPError) as error:
        raise HubError(f"{model}: the Hub cannot be reached: {one_line(error)}") from error
    except (RuntimeError, ValueError) as error:  # names and cards that the Hub does not take; hf_xet
        raise HubError(f"{model}: {one_line(error)}") from error
    except OSError as error:
        if error.errno is not None:  # of this machine: a full disk
            raise
        raise HubError(f"{model}: {one_line(error)}") from error
