"""Systems by name: ours, their variants, and those of others."""

import subprocess
import sys
from pathlib import Path

import pytest

from segue.core.errors import SettingsError
from segue.recipes import hstu, sasrec
from segue.workflows import systems


def test_a_name_finds_the_recipe_and_its_variants() -> None:
    assert systems.find("sasrec") is sasrec.RECIPE
    assert systems.find("hstu_large") is hstu.VARIANTS["large"]
    assert systems.find("item_knn").name == "item_knn"


def test_a_wrong_name_or_variant_names_its_neighbours() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'sasrec_tuned'"):
        systems.find("sasrec_tund")
    with pytest.raises(SettingsError, match="'segue systems' lists all"):
        systems.find("zzz")


def test_a_recipe_of_ones_own_is_module_and_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_systems.py").write_text(
        "from segue.recipes.popularity import RECIPE\nMINE = RECIPE.changed({'window': 3.0})\nNUMBER = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert systems.find("my_systems:MINE").window == 3.0
    with pytest.raises(SettingsError, match="is a int, not a Recipe"):
        systems.find("my_systems:NUMBER")
    with pytest.raises(SettingsError, match="MODULE:NAME"):
        systems.find("my_systems:NOBODY")


def test_every_part_can_be_named_by_kind() -> None:
    """In a process that has imported no recipe: every file of a shelf of parts is the kind of its name."""
    told = "from segue.core.part import Part; from segue.workflows import systems"
    command = f"{told}; systems.load_shelves(); print(*Part.kinds())"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    source = Path(systems.__file__).parents[1]
    rooms = ("encoders", "tokenizers", "backbones", "models", "objectives", "decoding", "trajectories", "rewards",
             "procedures")  # fmt: skip
    files = {path.stem for room in rooms for path in (source / room).glob("[a-z]*.py")}
    assert files - set(done.stdout.split()) == {"collisions"}  # several kinds in one file
