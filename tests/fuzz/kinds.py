"""The kinds of input: from a generator of random numbers to files and a command, and back to what may be said of it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import mutate
import seeds
import yaml
from mutate import Rng


@dataclass(frozen=True)
class Case:
    """A command, and the files that it finds."""

    files: dict[str, bytes]
    arguments: Sequence[str]
    made: set[str] = field(default_factory=set)
    """What the command may write: names of files and folders."""
    code: int | None = None
    """The exit code that it must end with; None is 0 or 2."""


PRIVATE = {"private.bin": b"a secret that no picture may show"}
"""A file of the user that no command is told of."""


def _one(names: Sequence[str], rng: Rng) -> str:
    return names[int(rng.integers(len(names)))]


def photo(rng: Rng) -> Case:
    """A changed photograph, aged, put on a sheet or asked for its making."""
    files = seeds.photographs()
    name = _one(list(files), rng)
    if name.endswith(".png") and rng.random() < 0.7:
        data = mutate.png_of(files[name], rng)
    else:
        data = mutate.bytes_of(files[name], rng, list(files.values()))
    return photo_case(name, data, float(rng.random()))


def photo_case(name: str, data: bytes, choice: float = 0.0) -> Case:
    """A photograph and one of the commands that read one; ``choice`` is from 0 to 1."""
    if choice > 0.95:
        return Case(
            {name: data}, ["strip", name, "--ages", "30,60", "--tile", "64", "-o", "s.png"], {"s.png"}
        )
    if choice > 0.85:
        return Case({name: data}, ["verify", name])
    if choice > 0.8:
        return Case(
            {name: data},
            ["photo", name, "--to", "70", "-o", "out.tif", "--layers"],
            {"out.tif", "out-layers"},
        )
    return Case({name: data}, ["photo", name, "--to", "70", "-o", "out.png"], {"out.png"})


def video(rng: Rng) -> Case:
    """A changed video."""
    files = seeds.videos()
    name = _one(list(files), rng)
    return video_case(name, mutate.bytes_of(files[name], rng, list(files.values())))


def video_case(name: str, data: bytes) -> Case:
    """A video to be aged."""
    return Case({name: data}, ["video", name, "--to", "70", "-o", "out.mkv", "--quiet"], {"out.mkv"})


def bundle_files(manifest: bytes, network: bytes) -> dict[str, bytes]:
    """The files of a bundle, with hashes that fit if ``manifest`` is still a table."""
    files = {"n.onnx": network, "MODEL_CARD.md": b"# Card\n"}
    try:
        table = json.loads(manifest)
    except (ValueError, RecursionError):
        table = None
    if isinstance(table, dict) and "files" not in table:
        table["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
        manifest = json.dumps(table).encode()
    return {"manifest.json": manifest, **files}


def bundle_case(files: dict[str, bytes], choice: float = 0.0, *, packed: bool = False) -> Case:
    """A bundle and one of the commands that read one; ``choice`` is from 0 to 1."""
    stored = (
        {"b/b.zip": seeds.zipped(files)} if packed else {f"b/b/{name}": data for name, data in files.items()}
    )
    place = next(iter(stored)) if packed else "b/b"
    return Case({**stored, **PRIVATE, **_portrait()}, *_bundle_command(place, choice))


def _bundle_command(place: str, choice: float) -> tuple[list[str], set[str]]:
    if choice > 0.9:
        return ["models", "list", "b"], set()
    if choice > 0.8:
        return ["models", "show", place], set()
    if choice > 0.6:
        return ["photo", "me.jpg", "--to", "70", "--model", place, "-o", "out.png"], {"out.png"}
    return ["models", "verify", place], set()


def _portrait() -> dict[str, bytes]:
    return {"me.jpg": seeds.photographs()["plain.jpg"]}


def bundle(rng: Rng) -> Case:
    """A zip of a bundle, changed as a zip, or with a changed file in it."""
    kind = _one(list(seeds.networks()), rng)
    whole = bundle_files(json.dumps(seeds.manifests()[kind]).encode(), seeds.networks()[kind])
    choice = float(rng.random())
    if rng.random() < 0.7:
        data = mutate.bytes_of(seeds.zipped(whole), rng)
        return Case({"b/b.zip": data, **PRIVATE, **_portrait()}, *_bundle_command("b/b.zip", choice))
    name = _one(list(whole), rng)
    whole[name] = mutate.bytes_of(whole[name], rng)
    return bundle_case(whole, choice, packed=True)


def manifest(rng: Rng) -> Case:
    """A bundle whose manifest is changed as a table."""
    kind = _one(list(seeds.networks()), rng)
    network = seeds.networks()[kind]
    table = dict(seeds.manifests()[kind])
    if rng.random() < 0.3:
        table["files"] = {"n.onnx": hashlib.sha256(network).hexdigest()}
    return bundle_case(bundle_files(mutate.json_of(table, rng), network), float(rng.random()))


def network(rng: Rng) -> Case:
    """A bundle whose network is changed, as bytes or as a graph, and whose hashes fit."""
    kind = _one(list(seeds.networks()), rng)
    change = mutate.onnx_of if rng.random() < 0.6 else mutate.bytes_of
    data = change(seeds.networks()[kind], rng)
    return bundle_case(
        bundle_files(json.dumps(seeds.manifests()[kind]).encode(), data), float(rng.random()) * 0.8
    )


def recipe(rng: Rng) -> Case:
    """A changed recipe, and one that other settings are given to."""
    table = seeds.recipes()[int(rng.integers(len(seeds.recipes())))]
    small = {**table, "start_from": None, "data": {**table.get("data", {}), "cache": "cache"}}
    changed = mutate.table_of(small, rng) if rng.random() < 0.8 else small
    sys.set_int_max_str_digits(0)
    try:
        data = yaml.safe_dump(changed, allow_unicode=bool(rng.random() < 0.5)).encode(errors="surrogatepass")
    except RecursionError:
        data = b"[" * 2000
    if rng.random() < 0.3 or changed is small:
        data = mutate.bytes_of(data, rng)
    return recipe_case(data)


def recipe_case(data: bytes, *overrides: str) -> Case:
    """A recipe to be described."""
    cached = {name: content for name, content in seeds.data_set().items() if name.startswith("cache/")}
    return Case({"r.yaml": data, **cached}, ["train", "r.yaml", "--dry-run", *overrides])


def index(rng: Rng) -> Case:
    """A changed index, table of labels, or cache."""
    files = dict(seeds.data_set())
    choice = rng.random()
    if choice < 0.5:
        name = "index.parquet"
    elif choice < 0.75:
        name = "faces/labels.csv"
    else:
        name = _one([name for name in files if name.startswith("cache/")], rng)
    files[name] = mutate.bytes_of(files[name], rng)
    return index_case(files, name)


def index_case(files: dict[str, bytes], changed: str) -> Case:
    """A data set, and the command that reads its file ``changed``."""
    if changed.endswith(".csv"):
        return Case(
            files, ["data", "index", "csv", changed, "-o", "new.parquet", "--workers", "1"], {"new.parquet"}
        )
    if changed.startswith("cache/"):
        overrides = ["data.cache=cache", "start_from=null", "data.min_sharpness=0", "data.ages=[0, 116]"]
        recipe = {"r.yaml": (seeds.ROOT / "recipes/age.yaml").read_bytes()}
        return Case({**files, **recipe}, ["train", "r.yaml", "--dry-run", *overrides])
    command = ["data", "cache", "index.parquet", "-o", "new", "--size", "32", "--workers", "1"]
    return Case(files, command, {"new"})


MAKERS: dict[str, Callable[[Rng], Case]] = {
    "photo": photo,
    "video": video,
    "bundle": bundle,
    "manifest": manifest,
    "network": network,
    "recipe": recipe,
    "index": index,
}
"""How inputs of each kind are made, but for requests to the page (`requests_to_the_page`)."""
SHARES = {
    "photo": 0.28,
    "video": 0.18,
    "bundle": 0.08,
    "manifest": 0.08,
    "network": 0.14,
    "recipe": 0.08,
    "index": 0.08,
    "http": 0.08,
}
"""The share of the time, or of the inputs, of each kind."""
