"""The house rules that a machine can check."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
SOURCE = sorted((ROOT / "src" / "segue").rglob("*.py"))
SPEAKS_HTTP = tuple(
    f"segue.service.{name}"
    for name in ("app", "dependencies", "document", "gate", "heads", "listen", "looks", "routes")
)
"""The adapter to the packages of the extra `serve`, imported when a service is started."""
LIBRARY = [str(path.relative_to(ROOT / "src")).removesuffix(".py").replace("/", ".") for path in SOURCE]


def test_imports_go_downwards_only() -> None:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stdout


def test_no_file_outgrows_its_idea() -> None:
    assert {path.name: lines for path in SOURCE if (lines := len(path.read_text().splitlines())) > 400} == {}


def test_a_file_says_in_its_first_line_what_it_is() -> None:
    silent = [str(path) for path in SOURCE if (text := path.read_text()).strip() and not text.startswith('"""')]
    assert silent == []


def test_nothing_is_left_for_an_unnamed_day() -> None:
    left = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
    assert [str(path) for path in SOURCE if left.search(path.read_text())] == []


def test_every_package_that_is_tested_is_locked_within_its_range() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][a-z0-9.]*", line)] == []
    locked = dict(line.split("==") for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = [Requirement(one) for one in (*project["dependencies"], *project["optional-dependencies"]["dev"])]
    extras = {extra for one in named if one.name == "segue" for extra in one.extras}
    named += [Requirement(one) for extra in extras for one in project["optional-dependencies"][extra]]
    wanted = {canonicalize_name(one.name): one.specifier for one in named if one.name != "segue"}
    assert {name: str(range_) for name, range_ in wanted.items() if locked.get(name, "0") not in range_} == {}


def test_nobody_prints_but_the_command_line() -> None:
    printing = re.compile(r"^\s*print\(", re.MULTILINE)
    assert [str(path) for path in SOURCE if "cli" not in path.parts and printing.search(path.read_text())] == []


def test_only_the_files_that_speak_http_know_its_packages() -> None:
    knowing = re.compile(r"^\s*(from|import) (fastapi|starlette|uvicorn|prometheus_client)\b", re.MULTILINE)
    names = [name for name, path in zip(LIBRARY, SOURCE, strict=True) if knowing.search(path.read_text())]
    assert [name for name in names if not name.startswith(SPEAKS_HTTP)] == []


@pytest.mark.slow
def test_every_module_imports_without_the_optional_packages() -> None:
    modules = [name.removesuffix(".__init__") for name in LIBRARY if not name.startswith(SPEAKS_HTTP)]
    script = (
        "import importlib, sys\n"
        "for name in ('tensorboard', 'mlflow', 'jaxtyping', 'beartype', 'torch.utils.tensorboard',\n"
        "             'tokenizers', 'transformers', 'sentence_transformers', 'psycopg', 'fastapi', 'starlette',\n"
        "             'uvicorn', 'prometheus_client', 'onnx', 'onnxscript', 'onnxruntime', 'peft'):\n"
        "    sys.modules[name] = None\n"
        "import importlib.util as util\n"
        "whole = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'jaxtyping' else whole(name, *rest)\n"
        f"for name in {modules!r}:\n"
        "    importlib.import_module(name)\n"
        "from segue.core.shapes import Float\n"
        "assert Float[int, 'rows'] is int\n"
        "import segue\n"
        "assert all(getattr(segue, name) is not None for name in segue.__all__)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import segue

    assert "fit" in dir(segue)
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = segue.fitt
