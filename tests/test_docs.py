"""What the documentation shows can be run, and names what there is."""

import importlib.util
import re
from pathlib import Path

import pytest

from segue.core.ranking import Rules
from segue.core.recipe import TokenRecipe
from segue.core.run import Run
from segue.core.tokenizing import ItemEncoder, ItemTokenizer
from segue.testing import ring
from segue.workflows import systems

DOCS = Path(__file__).resolve().parents[1] / "docs"


def examples(page: str) -> list[str]:
    """The Python files that a page shows: blocks that begin with a docstring."""
    blocks = re.findall(r"^```python\n(.*?)^```$", (DOCS / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith('"""')]


def test_the_worked_example_of_codes_is_a_system_that_learns_and_answers(tmp_path: Path) -> None:
    (text,) = [text for text in examples("adding-a-system.md") if "TokenRecipe(" in text]
    (tmp_path / "narrow.py").write_text(text, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("narrow", tmp_path / "narrow.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    recipe: TokenRecipe = module.RECIPE
    world = ring(users=64)
    found = recipe.fit(world, Run()).recommend(world.test.histories, 3, Rules(seen=True))
    assert (found.items >= 0).all()
    assert systems.form(recipe) == "codes"


def test_every_variant_has_its_name_in_the_list_of_systems() -> None:
    text = (DOCS / "systems.md").read_text(encoding="utf-8")
    assert [recipe.name for recipe in systems.systems() if f"`{recipe.name}`" not in text] == []


@pytest.mark.parametrize("word", [ItemTokenizer, ItemEncoder])
@pytest.mark.parametrize("page", ["systems.md", "codes.md"])
def test_every_tokenizer_and_encoder_is_in_the_list_of_kinds(word: type, page: str) -> None:
    systems.load_shelves()
    text = (DOCS / page).read_text(encoding="utf-8")
    kinds = word.kinds()  # type: ignore[attr-defined]
    ours = [name for name, kind in kinds.items() if kind.__module__.startswith("segue.")]
    assert [name for name in ours if f"`{name}`" not in text] == []
