"""One experiment in full: the system, the data, the split, the questions, the seed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import NonNegativeInt, PositiveInt, SerializeAsAny

from segue.core.errors import SettingsError
from segue.core.part import Part
from segue.core.reading import read_text, shortly
from segue.core.recipe import Recipe, TokenRecipe
from segue.core.trajectories import BesideObjective
from segue.data.cache import cache_folder
from segue.data.preparation import Preparation
from segue.data.random_holdout import HoldOut
from segue.data.request_split import RequestsByTime
from segue.data.sources import frames
from segue.data.split import SplitRule
from segue.procedures.rollout_finetune import RolloutFinetune
from segue.simulation.world import World
from segue.workflows import systems


class Questions(Part):
    """What is asked of a fitted system, and what may be answered."""

    ks: tuple[PositiveInt, ...] = (5, 10, 20)
    """Lengths of the lists that are scored."""
    seen: bool = False
    """Whether items of the history may be recommended again."""
    length: PositiveInt | None = None
    """The newest events of a history that any system is shown; older ones are forgotten, by the seen filter too. None
    shows all, and each system looks back as far as it can."""
    users: PositiveInt | None = None
    """Ask at most so many test users, the same ones for every system and seed; none means all."""


class Experiment(Part):
    """Everything that decides a number; `recipe.yaml` in a run folder is one of these."""

    recipe: SerializeAsAny[Recipe]
    """The system."""
    data: Preparation | World = World()
    """A log on disk, or the simulated world."""
    split: SerializeAsAny[SplitRule] = HoldOut()
    """How test cases are held out: each user's last event, or one drawn at random where nobody knows the order."""
    evaluation: Questions = Questions()
    """What is asked."""
    own: str = ""
    """Where the system comes from when it is not one of Segue's: MODULE:NAME."""
    seed: NonNegativeInt = 0
    """Of weights, batches, dropout, negatives and of the split's draws."""

    def with_settings(self, changes: Mapping[str, Any]) -> Experiment:
        """A copy with some settings changed; a path that names none of our own parts belongs to the recipe.

        Raises:
            SettingsError: a path or value does not fit.
        """
        ours = ("recipe", "data", "split", "evaluation", "seed")
        return self.changed(
            {path if path.split(".")[0] in ours else f"recipe.{path}": value for path, value in changes.items()}
        )

    def yaml(self) -> str:
        """As text: the name of the system, its settings, then data, split, evaluation and seed."""
        values = self.dump()
        recipe = values.pop("recipe")
        values.pop("kind")
        name, own = recipe.pop("name"), values.pop("own")
        return yaml.safe_dump({"recipe": own or name, **recipe, **values}, sort_keys=False, width=120)


STARTS = ("start", "recipe.start")
"""The setting that names the run to begin with."""


def data_of(source: str | Path | Any, items: Any = None) -> Preparation | World:
    """The data that `--data` names: 'world' is the simulated one, any other text a path; a table of pandas, polars,
    Arrow or DuckDB is kept as a file, so that the run can be asked again.

    Args:
        items: the catalogue of a table in memory, as a table with the ids of the items and what is known of each.

    Raises:
        SettingsError: it is neither.
    """
    if not isinstance(source, str | Path):
        return Preparation(path=str(frames.kept(source, cache_folder() / "frames", items)))
    if items is not None:
        raise SettingsError("items: goes with a table as data; beside a file the catalogue is a file too, items.csv.")
    return World() if source == "world" else Preparation(path=str(Path(source).expanduser().resolve()))


def new(
    recipe: str,
    data: str | Path | Any = None,
    settings: Mapping[str, Any] | None = None,
    seed: int | None = None,
    *,
    items: Any = None,
) -> Experiment:
    """The experiment that the words of a command describe; `recipe` is a system's name or a YAML file.

    Args:
        items: where the data are a table in memory, the table of its catalogue.

    Raises:
        SettingsError: a name, path or value does not fit.
    """
    systems.load_shelves()
    is_file = recipe.endswith((".yaml", ".yml"))
    experiment = load(Path(recipe)) if is_file else _of(recipe)
    if data is not None or items is not None:
        experiment = experiment.model_copy(update={"data": data_of("world" if data is None else data, items)})
    if seed is not None:
        experiment = experiment.changed({"seed": seed})
    settings = settings or {}
    start = next((settings[name] for name in STARTS if settings.get(name)), None)
    if start is not None:
        experiment = _started(experiment, Path(str(start)), own_data=data is not None)
    return experiment.with_settings({name: value for name, value in settings.items() if name not in STARTS})


def _started(experiment: Experiment, start: Path, *, own_data: bool) -> Experiment:
    """The experiment with what the run that it starts from was made of, all but how it learns; its data and split too,
    unless data were given."""
    recipe = experiment.recipe
    if not isinstance(recipe, TokenRecipe):
        raise SettingsError(f"start: {recipe.name} does not write codes of items, so it starts from no run.")
    if not (start / "recipe.yaml").exists():
        raise SettingsError(f"start: {start} is not a run folder: it has no recipe.yaml. 'segue fit' makes one.")
    before = load(start / "recipe.yaml")
    theirs = before.recipe
    if not isinstance(theirs, TokenRecipe):
        raise SettingsError(f"start: {start} is a run of {theirs.name}, which does not write codes of items.")
    changes: dict[str, Any] = {
        f"recipe.{name}": getattr(theirs, name).dump()
        for name in ("batches", "tokenizer", "backbone", "model", "decoder")
    }
    ours = recipe.objective
    if isinstance(ours, BesideObjective):
        learnt = theirs.objective.supervised if isinstance(theirs.objective, BesideObjective) else theirs.objective
        changes["recipe.objective.supervised"] = learnt.dump()
    if not own_data:
        experiment = experiment.model_copy(
            update={"data": before.data, "split": before.split, "evaluation": before.evaluation}
        )
    if isinstance(recipe.procedure, RolloutFinetune):
        changes["recipe.procedure.before"] = None
    return experiment.changed(changes | {"recipe.start": str(start.resolve())})


def load(path: Path, *, imports: bool = True) -> Experiment:
    """The experiment that a YAML file describes: `recipe:` names the system, all else changes it.

    Args:
        imports: whether a system of the user's own (`recipe: MODULE:NAME`) may be imported.

    Raises:
        SettingsError: the file is not there, not YAML, or does not fit.
    """
    systems.load_shelves()
    try:
        values = yaml_values(read_text(path, LARGEST))
    except ValueError as error:
        raise SettingsError(f"{path} cannot be read: {error}.") from None
    if not isinstance(values, dict) or not isinstance(values.get("recipe"), str):
        raise SettingsError(f"{path} must be a mapping with 'recipe: NAME' (see 'segue systems' for names).")
    if strange := [key for key in values if not isinstance(key, str)]:
        raise SettingsError(f"{path}: {strange[0]!r} is not the name of a setting.")
    name = values.pop("recipe")
    data = values.pop("data", None)
    if isinstance(data, str):
        data = data_of(data).dump()
    values.pop("kind", None)
    try:
        experiment = _of(name, imports=imports)
        if data is not None:
            if not isinstance(data, dict):
                raise SettingsError("data: expected a path, 'world', or a mapping of settings.")
            data = {"kind": "preparation"} | data if "path" in data else {"kind": "world"} | data
            values["data"] = data
        return experiment.with_settings(values)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from None


LARGEST, DEEPEST = 1_000_000, 50
"""Bytes of a YAML file, and of the mappings and lists in it one in another: none of ours comes near."""


def yaml_values(text: str) -> Any:
    """The plain values of a YAML text.

    Raises:
        ValueError: it is not YAML, or nested so deep that reading it would take minutes.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):  # bit by bit, so that it can be left
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > DEEPEST:
                raise ValueError(f"its values are nested more than {DEEPEST} deep")
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ValueError(f"it is not YAML ({shortly(error)})") from None


def _of(name: str, *, imports: bool = True) -> Experiment:
    recipe, own = systems.find(name, imports=imports), name if ":" in name else ""
    if recipe.ranks:
        return Experiment(recipe=recipe, own=own, split=RequestsByTime())
    return Experiment(recipe=recipe, own=own)


def parse_setting(text: str) -> tuple[str, Any]:
    """`a.b=value` as path and value; the value is read as YAML, so 3, 0.1, true, [5, 10] and words work.

    Raises:
        SettingsError: there is no '='.
    """
    path, equals, value = text.partition("=")
    if not equals or not path.strip():
        raise SettingsError(f"--set {text!r}: write it as path=value, such as --set backbone.depth=2.")
    try:
        return path.strip(), _numeric(yaml_values(value))
    except ValueError as error:
        raise SettingsError(f"--set {shortly(text)!r}: the value cannot be read: {error}.") from None


def _numeric(value: Any) -> Any:
    """YAML 1.1 reads 1e-3 as text; people mean a number."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value
