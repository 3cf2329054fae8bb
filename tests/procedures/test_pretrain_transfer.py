"""Pretraining and transfer: what each strategy carries over and freezes, what is shared, and what cannot be."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn

from segue.backbones.causal_transformer import CausalTransformer
from segue.core import checkpoint
from segue.core.errors import DataError, SettingsError
from segue.core.forms import RankingProcedure
from segue.core.impressions import RankingSplit
from segue.core.run import Run
from segue.core.tables import Catalog
from segue.data.next_events import NextEvents
from segue.data.passes import SharedHistory
from segue.models.prefix_ranker import PrefixRanker
from segue.objectives.action_likelihood import ActionLikelihood
from segue.objectives.generative_pretraining import GenerativePretraining
from segue.procedures import pretrain_transfer
from segue.procedures.pretrain_transfer import PRETRAINED, TABLE, PretrainTransfer
from segue.procedures.supervised_ranking import SupervisedRanking
from segue.testing.requests import parity_requests
from segue.training.loop import Loop
from segue.training.optim import AdamW

SPLIT = parity_requests(users=20)
BATCHES = SharedHistory(history=20, slack=20, users=10)
TRUNK = CausalTransformer(
    width=8, depth=1, heads=2, inner=8, dropout=0.0, activation="swiglu", norm="rms", position="rotary"
)
STRATEGIES = ("nt", "ft", "st", "ft_sf", "st_sf", "nt_sf")


class Nothing(RankingProcedure):
    """A second stage that leaves everything as it comes."""

    def __call__(self, model: Any, batches: Any, objective: Any, split: RankingSplit, run: Run) -> None:
        pass


def trained(**loop: Any) -> SupervisedRanking:
    return SupervisedRanking(loop=Loop(epochs=2, optimizer=AdamW(rate=1e-2, decay=0.1), **loop))


def procedure(ranking: RankingProcedure | None = None, **settings: Any) -> PretrainTransfer:
    return PretrainTransfer(
        ranking=ranking or Nothing(),
        generation=GenerativePretraining(negatives=8),
        pretraining=Loop(epochs=2, optimizer=AdamW(rate=1e-2)),
        events=NextEvents(history=20, users=10),
        **settings,
    )


def built(seed: int = 0, **settings: Any) -> nn.Module:
    torch.manual_seed(seed)
    facts = {name: torch.from_numpy(np.array(values)) for name, values in SPLIT.item_features.items()}
    return PrefixRanker(**settings).build(TRUNK, SPLIT.schema, facts, BATCHES.length)


def after(described: PretrainTransfer, model: nn.Module | None = None, run: Run | None = None) -> nn.Module:
    model = model or built()
    described(model, BATCHES, ActionLikelihood(), SPLIT, run or Run())
    return model


def same(one: nn.Module, other: nn.Module) -> set[str]:
    """The names of the tensors that are equal in both."""
    theirs = other.state_dict()
    return {name for name, tensor in one.state_dict().items() if torch.equal(tensor, theirs[name])}


EVERYTHING = set(built().state_dict())
FACTS = {"items.facts.item_parity.table", "items.facts.item_size.table"}
BUFFERS = {"items.fact_parity", "items.fact_size"}
HEAD = {name for name in EVERYTHING if name.startswith(("head.", "context."))}


@dataclass(frozen=True)
class Begun:
    """The random initialisation and what was pretrained from it."""

    random: nn.Module
    pretrained: nn.Module


@pytest.fixture(scope="module")
def begun() -> Begun:
    return Begun(built(), after(procedure(strategy="ft")))


def test_pretraining_moves_all_but_what_only_ranking_needs(begun: Begun) -> None:
    assert same(begun.random, begun.pretrained) == HEAD | BUFFERS


@pytest.mark.parametrize("strategy", ["nt", "nt_sf"])
def test_nt_begins_at_random(begun: Begun, strategy: str) -> None:
    assert same(after(procedure(strategy=strategy)), begun.random) == EVERYTHING


@pytest.mark.parametrize("strategy", ["ft", "ft_sf"])
def test_ft_begins_with_all_that_was_pretrained(begun: Begun, strategy: str) -> None:
    assert same(after(procedure(strategy=strategy)), begun.pretrained) == EVERYTHING


@pytest.mark.parametrize("strategy", ["st", "st_sf"])
def test_st_begins_with_the_pretrained_item_table_and_all_else_as_nt(begun: Begun, strategy: str) -> None:
    model = after(procedure(strategy=strategy))
    assert same(model, begun.random) == EVERYTHING - {TABLE}
    assert TABLE in same(model, begun.pretrained)


def test_the_tables_of_facts_are_sparse_too_when_asked(begun: Begun) -> None:
    model = after(procedure(strategy="st_sf", tables="items_and_facts"))
    assert same(model, begun.random) == EVERYTHING - {TABLE} - FACTS
    assert {TABLE} | FACTS <= same(model, begun.pretrained)
    frozen = {name for name, parameter in model.named_parameters() if not parameter.requires_grad}
    assert frozen == {TABLE} | FACTS


def digest(table: Tensor) -> str:
    return hashlib.sha256(table.detach().numpy().tobytes()).hexdigest()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_frozen_table_has_no_gradient_and_keeps_every_bit_under_weight_decay(strategy: str) -> None:
    first = digest(after(procedure(strategy=strategy)).get_parameter(TABLE))
    model = after(procedure(trained(), strategy=strategy))
    table, frozen = model.get_parameter(TABLE), strategy.endswith("_sf")
    assert (digest(table) == first) == frozen
    assert table.requires_grad != frozen
    assert (table.grad is None) == frozen
    assert not torch.equal(model.get_parameter("segments.weight"), built().get_parameter("segments.weight"))


def test_what_was_pretrained_serves_all_strategies_of_a_seed(tmp_path: Path, monkeypatch) -> None:
    calls = []
    whole = pretrain_transfer.train
    monkeypatch.setattr(pretrain_transfer, "train", lambda *given: calls.append(1) or whole(*given))
    run = Run(cache=tmp_path)
    models = [after(procedure(strategy=strategy), run=run) for strategy in ("st", "ft", "st_sf")]
    assert len(calls) == 1
    assert TABLE in same(models[0], models[1])
    for other in (
        lambda: after(procedure(strategy="st"), run=replace(run, seed=1)),
        lambda: after(procedure(strategy="st"), built(seed=1), run=run),
        lambda: after(procedure(strategy="st"), built(actions=True), run=run),
        lambda: after(procedure(strategy="st").changed({"generation.negatives": 9}), run=run),
        lambda: after(procedure(strategy="st").changed({"events.history": 9}), run=run),
    ):
        before = len(calls)
        other()
        assert len(calls) == before + 1


class Table(nn.Module):
    """A ranker that cannot be asked what comes next."""

    def __init__(self, items: int = 12, width: int = 8) -> None:
        super().__init__()
        self.items = nn.ModuleDict({"table": nn.Embedding(items, width)})
        self.schema = SPLIT.schema


def test_another_architecture_takes_the_table_of_a_generator(begun: Begun) -> None:
    described = procedure(strategy="st_sf", generator=PrefixRanker(), backbone=TRUNK)
    table = after(described, Table()).get_parameter(TABLE)
    assert table.shape == (12, 8)
    assert not table.requires_grad
    assert torch.equal(table, after(described, Table()).get_parameter(TABLE))  # the seed of the run decides


def test_a_ranker_that_cannot_generate_needs_a_generator() -> None:
    with pytest.raises(SettingsError, match=r"procedure\.generator=prefix_ranker"):
        after(procedure(), Table())


def test_tables_of_another_shape_are_refused_with_both_shapes() -> None:
    with pytest.raises(SettingsError, match=r"\(12, 8\).*\(12, 4\)"):
        after(procedure(generator=PrefixRanker(), backbone=TRUNK), Table(width=4))


def test_all_of_another_architecture_cannot_be_taken() -> None:
    model = Table()
    model.tower = nn.Linear(2, 2)
    with pytest.raises(SettingsError, match=r"'tower\.weight' is not there"):
        after(procedure(strategy="ft", generator=PrefixRanker(), backbone=TRUNK), model)


def test_a_model_without_an_item_table_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"items\.table\.weight"):
        after(procedure(), nn.Linear(2, 2))


def test_longer_windows_than_the_model_reads_are_refused() -> None:
    with pytest.raises(SettingsError, match="reads 40 events"):
        after(procedure().changed({"events.history": 41}))


def of_run(catalog: Catalog) -> Any:
    return lambda path: SimpleNamespace(catalog=catalog)


def test_an_earlier_run_gives_its_tables(begun: Begun, tmp_path: Path) -> None:
    after(procedure(strategy="ft"), run=Run(folder=tmp_path))
    assert (tmp_path / "pretraining" / "metrics.jsonl").exists()
    taken = after(
        procedure(strategy="st", source=str(tmp_path)), built(seed=5), Run(open_run=of_run(SPLIT.catalog))
    )  # fmt: skip
    assert TABLE in same(taken, begun.pretrained)


def test_a_run_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    described = procedure(strategy="st", source=str(tmp_path))
    with pytest.raises(SettingsError, match="no access to other runs"):
        after(described)
    with pytest.raises(SettingsError, match="pretrained nothing"):
        after(described, run=Run(open_run=of_run(SPLIT.catalog)))
    checkpoint.write(tmp_path / PRETRAINED, {TABLE: torch.zeros(12, 8)}, {})
    other = Catalog(pl.DataFrame({"item_id": ["another"]}))
    with pytest.raises(DataError, match=r"has 1 items.*12 items"):
        after(described, run=Run(open_run=of_run(other)))


class Killed(Exception):
    """The process ended."""


def test_whoever_resumes_ends_with_the_same_bits(tmp_path: Path, monkeypatch) -> None:
    """Killed in either stage, without a cache to lean on."""
    described = procedure(trained(checkpoint_every=0), strategy="st_sf")
    described = described.changed({"pretraining.checkpoint_every": 0})
    wanted = after(described)
    for stop in (3, 6):  # of four steps before and many after
        steps = []

        class Dies:
            def begin(self, what: str, steps: int) -> None: ...

            def advance(self, count: int, note: str = "", steps: list = steps, stop: int = stop) -> None:
                steps.extend([1] * (count if note else 0))
                if len(steps) == stop:
                    raise Killed

            def end(self) -> None: ...

            def log(self, step: int, values: Any) -> None: ...

        folder = tmp_path / str(stop)
        with pytest.raises(Killed):
            after(described, run=Run(folder=folder, watches=(Dies(),)))
        again = after(described, run=Run(folder=folder, resume=True))
        assert same(again, wanted) == EVERYTHING
