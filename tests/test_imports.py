"""Using a model needs no training stack: checked in fresh interpreters with torch and its kin blocked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        blocked = 'torch accelerate pandas pydantic safetensors yaml rich onnx av c2pa cryptography ray pyarrow fsspec'
        if name.split('.')[0] in blocked.split():
            raise ImportError(f'{name} is blocked')
sys.meta_path.insert(0, Blocker())
"""


def run(code: str, before: str = BLOCK) -> str:
    done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_public_names() -> None:
    import reage

    assert reage.__all__ == ["Edit", "ReageError", "Reager", "__version__", "open_bundle"]
    for name in reage.__all__:
        assert getattr(reage, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = reage.nothing


def test_the_runtime_imports_without_the_training_stack() -> None:
    run(
        "import reage, reage.reager, reage.batch, reage.bundle, reage.cli.main, reage.sheets\n"
        "import reage.video.film\nreage.Reager"
    )


def test_no_network_tells_anybody_that_it_is_used(tmp_path: Path) -> None:
    code = """
import os, tempfile, threading
import reage
from reage.assets import asset
from reage.onnx_session import open_session
open_session(asset('face_age.onnx'), threads=1)
print(os.environ['ORT_DISABLE_TELEMETRY'], os.listdir(tempfile.gettempdir()))
"""
    before = f"import os; os.environ['TMPDIR'] = {str(tmp_path)!r}; os.environ.pop('ORT_DISABLE_TELEMETRY', None)\n"
    assert run(code, before) == "1 []\n"


def test_import_and_help_load_no_heavy_module() -> None:
    code = """
import reage, reage.cli.main
from click.testing import CliRunner
assert CliRunner().invoke(reage.cli.main.main, ['--help']).exit_code == 0
commands = 'photo batch strip film video web verify models train export evaluate'.split()
for command in (*commands, 'data index'):
    result = CliRunner().invoke(reage.cli.main.main, [*command.split(), '--help'])
    assert result.exit_code == 0, result.output
print([m for m in ('torch', 'av', 'gradio', 'onnxruntime', 'cv2', 'PIL', 'numpy') if m in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_a_photo_loads_nothing_that_takes_long_and_is_not_needed(portrait: Path, tmp_path: Path) -> None:
    code = f"""
import reage.cli.main
from click.testing import CliRunner
arguments = ['photo', {str(portrait)!r}, '--to', '70', '-o', {str(tmp_path / "me.png")!r}]
assert CliRunner().invoke(reage.cli.main.main, arguments).exit_code == 0
print([m for m in ('numpy.ma', 'reage.sheets', 'reage.video.film') if m in sys.modules])
"""
    assert run(code).strip() == "[]"


def test_a_command_of_an_extra_that_is_missing_says_so() -> None:
    code = """
import importlib.util
real = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else real(name, *rest)
import reage.cli.main
from click.testing import CliRunner
result = CliRunner().invoke(reage.cli.main.main, ['train', 'recipe.yaml'])
print(result.exit_code, result.output)
"""
    assert "2 reage: this command needs torch: pip install 'reage[train]'" in run(code, before="")
    code = code.replace("'torch'", "'av'").replace(
        "['train', 'recipe.yaml']", "['video', 'a.mp4', '--to', '70']"
    )
    assert "2 reage: this command needs av: pip install 'reage[video]'" in run(code, before="")


def test_training_needs_nothing_of_the_extra_for_evaluation() -> None:
    code = """
import sys
for name in ('scipy', 'sklearn', 'skimage', 'matplotlib', 'onnx_tool', 'efficientnet_lite_pytorch'):
    sys.modules[name] = None
import reage.training.trainer, reage.training.describe, reage.training.inference
print('imported')
"""
    assert run(code, before="").strip() == "imported"
