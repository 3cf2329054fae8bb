"""All published systems by name: the folder `recipes/` is the list, and each file's variants are `NAME_VARIANT`."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from collections.abc import Iterator

import segue.backbones
import segue.data
import segue.decoding
import segue.encoders
import segue.language
import segue.models
import segue.objectives
import segue.procedures
import segue.recipes
import segue.rewards
import segue.tokenizers
import segue.training
import segue.trajectories
from segue.core.errors import SettingsError
from segue.core.ranking_recipe import RankingRecipe
from segue.core.reading import shortly
from segue.core.recipe import Recipe, ScoringRecipe, TokenRecipe
from segue.core.text_recipe import TextRecipe


def names() -> list[str]:
    """The names of all recipe files."""
    return sorted(
        module.name for module in pkgutil.iter_modules(segue.recipes.__path__) if not module.name.startswith("_")
    )


def systems() -> Iterator[Recipe]:
    """Every recipe, each followed by its variants."""
    for name in names():
        module = importlib.import_module(f"segue.recipes.{name}")
        yield module.RECIPE
        yield from module.VARIANTS.values()


def find(name: str, *, imports: bool = True) -> Recipe:
    """The recipe called `name`: a file of ours, one of its variants, or `module:NAME` from the user's own package.

    Args:
        imports: whether a module of the user's own may be imported; without, it is found if that was done before.

    Raises:
        SettingsError: there is none; says which name is near.
    """
    if ":" in name:
        return _foreign(name, imports=imports)
    file = max((known for known in names() if name == known or name.startswith(f"{known}_")), key=len, default=None)
    if file is not None:
        module = importlib.import_module(f"segue.recipes.{file}")
        found: Recipe | None = module.RECIPE if name == file else module.VARIANTS.get(name.removeprefix(f"{file}_"))
        if found is not None:
            return found
    known = [recipe.name for recipe in systems()]
    near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(repr(word) for word in near)}?" if near else ""
    raise SettingsError(f"there is no system '{name}'.{hint} 'segue systems' lists all of them.")


def form(recipe: Recipe) -> str:
    """What a system is made around: a model that scores items, one that writes their codes, one that judges what is
    shown, one that writes their titles, or a class of its own."""
    if isinstance(recipe, TokenRecipe):
        return "codes"
    if isinstance(recipe, RankingRecipe):
        return "ranking"
    if isinstance(recipe, TextRecipe):
        return "text"
    return "scoring" if isinstance(recipe, ScoringRecipe) else "plain recipe"


def load_shelves() -> None:
    """Import every part, so that YAML and `--set` can name any of them by kind."""
    shelves = (
        segue.encoders,
        segue.tokenizers,
        segue.backbones,
        segue.models,
        segue.objectives,
        segue.decoding,
        segue.trajectories,
        segue.rewards,
        segue.procedures,
        segue.data,
        segue.language,
        segue.training,
    )
    for shelf in shelves:
        for module in pkgutil.iter_modules(shelf.__path__, f"{shelf.__name__}."):
            if not module.ispkg:
                importlib.import_module(module.name)


def _foreign(name: str, *, imports: bool) -> Recipe:
    module_name, _, attribute = name.partition(":")
    if not attribute.isidentifier() or not all(word.isidentifier() for word in module_name.split(".")):
        raise SettingsError(f"'{shortly(name, 80)}' is no system. Write one of Segue's, or MODULE:NAME of your own.")
    if not imports and module_name not in sys.modules:
        raise SettingsError(
            f"'{name}' is a system of your own, and is imported only for a run that is opened or served, never for a "
            "list of runs."
        )
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except Exception as error:  # whatever a module of somebody else's does when it is imported
        raise SettingsError(
            f"'{name}' cannot be imported: {shortly(error)}. Write MODULE:NAME of a Recipe value."
        ) from error
    if not isinstance(found, Recipe):
        raise SettingsError(f"'{name}' is a {type(found).__name__}, not a Recipe.")
    return found
