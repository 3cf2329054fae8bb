from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from planted_items import PlantedVectors
from segue.core.errors import DataError, RunError, SettingsError
from segue.core.run import Run
from segue.core.tables import Split
from segue.testing.tokenizers import check_tokenizer
from segue.testing.worlds import ring
from segue.tokenizers._rq_vae_training import RqVaeTraining
from segue.tokenizers.collisions import (
    CollisionPolicy,
    ExtraCode,
    NearestFreeCode,
    PopularityOrder,
    SinkhornReassignment,
)
from segue.tokenizers.rq_vae import FittedRqVae, RqVae
from segue.training.optim import AdamW

SMALL = RqVae(
    encoder=PlantedVectors(),
    levels=3,
    size=4,
    width=6,
    hidden=(16,),
    epochs=80,
    warmup=40,
    batch=32,
    clusters=2,
    optimizer=AdamW(rate=1e-2),
)


def world(items: int = 64) -> Split:
    return ring(users=20, items=items)


def fitted(part: RqVae, split: Split, seed: int) -> FittedRqVae:
    made = part.fit(split, Run(seed=seed))
    assert isinstance(made, FittedRqVae)
    return made


@pytest.mark.learns
def test_what_is_left_over_falls_level_by_level_on_planted_levels(learning_seed: int) -> None:
    tokenizer = fitted(SMALL, world(), learning_seed)
    latents = tokenizer.network.latents(torch.from_numpy(tokenizer.vectors()))
    path = tokenizer.network.descend(latents)
    left = [*path.residuals, path.residuals[-1] - path.chosen[-1]]
    sizes = [float(rest.detach().norm(dim=1).mean()) for rest in left]
    assert sizes[1] < 0.6 * sizes[0]
    assert sizes[2] < 0.8 * sizes[1]
    assert sizes[3] < 0.9 * sizes[2]


@pytest.mark.learns
def test_codes_say_what_the_vectors_are(learning_seed: int) -> None:
    tokenizer = fitted(SMALL, world(), learning_seed)
    vectors = tokenizer.vectors()
    error = ((vectors - tokenizer.reconstructed()) ** 2).sum() / ((vectors - vectors.mean(0)) ** 2).sum()
    assert error < 0.25  # one level alone cannot say more than 1 / (1 + 1/9 + 1/81) of it, and 4 codes have 1/3 of that
    notes = tokenizer.notes()
    assert notes["utilisation"] == [1.0, 1.0, 1.0]
    told = notes["losses"]
    assert len(told) == 40
    assert (told[0]["epoch"], told[-1]["epoch"]) == (1, 120)
    assert "codebook" not in told[0]  # as yet a plain autoencoder
    assert told[-1]["reconstruction"] < told[len(told) // 2]["reconstruction"]


@pytest.mark.parametrize(
    "policy",
    [ExtraCode(), PopularityOrder(), NearestFreeCode(), SinkhornReassignment()],
    ids=lambda policy: policy.kind(),
)
@settings(max_examples=4)
@given(items=st.integers(8, 60), size=st.integers(4, 6))
def test_it_is_a_tokenizer_with_every_policy(policy: CollisionPolicy, items: int, size: int) -> None:
    part = SMALL.changed({"collisions": policy, "epochs": 2, "warmup": 1, "size": size, "encoder.noise": 0.5})
    check_tokenizer(part, world(items))


@pytest.mark.learns
@pytest.mark.parametrize(
    "changes",
    [
        {"gradient": "rotation"},
        {"balanced": True},
        {"diversity": 1e-2},
        {"collaborative": PlantedVectors(width=6), "alpha": 0.1},
        {"warmup": 0},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_option_learns(changes: dict[str, Any], learning_seed: int) -> None:
    tokenizer = fitted(SMALL.changed(changes), world(), learning_seed)
    assert min(tokenizer.notes()["utilisation"]) == 1.0
    vectors = tokenizer.vectors()
    assert ((vectors - tokenizer.reconstructed()) ** 2).sum() < 0.5 * ((vectors - vectors.mean(0)) ** 2).sum()


@pytest.mark.learns
def test_collaborative_vectors_draw_codes_to_who_took_the_items(learning_seed: int) -> None:
    def agreement(alpha: float) -> float:
        part = SMALL.changed({"collaborative": PlantedVectors(width=6, noise=1.0), "alpha": alpha})
        tokenizer = fitted(part, world(), learning_seed)
        assert part.collaborative is not None
        wanted = part.collaborative.fit(world(), Run()).encode(world().catalog)
        said = tokenizer.network.looked_up(torch.from_numpy(tokenizer.codes.codes[:, :3])).detach().numpy()
        products = said @ wanted.T
        return float((products.diagonal()[:, None] > products).mean())

    # Who knows nothing comes to 0.34 to 0.65 with eight seeds, who was told to 0.83 and more.
    assert agreement(0.0) < 0.75 < agreement(1.0)


def test_a_dead_code_is_moved_to_where_items_are() -> None:
    network = SMALL._network(12, torch.Generator().manual_seed(0))
    vectors = torch.randn(32, 12, generator=torch.Generator().manual_seed(1))
    training = RqVaeTraining(SMALL, network, vectors, None, Run())
    training.start_codebooks()
    rows = torch.arange(32)
    terms, path = training.terms(rows, quantizing=True)
    torch.autograd.backward(torch.stack(list(terms.values())).sum())
    training.optimizer.step()  # Adam remembers code 2 from when it was alive
    assert training.optimizer.state[network.codebooks]["exp_avg"][1, 2].abs().sum() > 0
    network.codebooks.data[1, 2] = 1e6  # nobody's nearest
    _, path = training.terms(rows, quantizing=True)
    assert path is not None
    training.used.scatter_add_(1, path.codes.T, torch.ones(3, 32))
    alive = network.codebooks.detach().clone()
    training.restart_dead(path)
    moved = network.codebooks.detach()
    residuals = path.residuals[1].detach()
    assert ((residuals - moved[1, 2]).abs().amax(1) == 0).any()
    dead = training.used == 0
    assert training.restarts == int(dead.sum()) >= 1
    assert torch.equal(moved[~dead], alive[~dead])
    assert training.optimizer.state[network.codebooks]["exp_avg"][1, 2].abs().sum() == 0


@pytest.mark.learns
def test_a_collapsed_codebook_is_warned_of(learning_seed: int, caplog: pytest.LogCaptureFixture) -> None:
    equal = PlantedVectors(branches=1, noise=0.0)
    SMALL.changed({"encoder": equal, "epochs": 1}).fit(world(), Run(seed=learning_seed))
    assert "The codebook of level 1 has collapsed: 25 % of its 4 codes" in caplog.text
    caplog.clear()
    SMALL.fit(world(), Run(seed=learning_seed))
    assert not caplog.text


def test_a_vector_that_is_no_number_names_its_item() -> None:
    with pytest.raises(DataError, match="item 'i7'"):
        SMALL.changed({"encoder.broken": "i7"}).fit(world(), Run())


def test_fewer_items_than_codes_says_both_and_what_to_set() -> None:
    with pytest.raises(SettingsError, match=r"65 codes cannot be learnt from 64 items; set size to 8 or less"):
        SMALL.changed({"size": 65}).fit(world(), Run())


def test_collaborative_vectors_must_be_as_wide_as_codes() -> None:
    with pytest.raises(SettingsError, match="they have width 5, the codes 6"):
        SMALL.changed({"collaborative": PlantedVectors(width=5)}).fit(world(), Run())


def test_too_many_clusters_for_the_codes_are_refused() -> None:
    with pytest.raises(SettingsError, match="clusters"):
        SMALL.changed({"diversity": 0.1, "clusters": 3}).fit(world(), Run())


def test_divergence_is_an_error_that_says_what_to_lower() -> None:
    with pytest.raises(RunError, match=r"optimizer\.rate"):
        SMALL.changed({"optimizer.rate": 1e30}).fit(world(), Run())


def test_ctrl_c_leaves_in_the_middle_and_ends_the_progress_bar() -> None:
    class Impatient:
        ended = 0

        def begin(self, what: str, steps: int) -> None: ...

        def advance(self, steps: int, note: str = "") -> None:
            raise KeyboardInterrupt

        def end(self) -> None:
            self.ended += 1

        def log(self, step: int, values: Mapping[str, float]) -> None: ...

    watch = Impatient()
    with pytest.raises(KeyboardInterrupt):
        SMALL.fit(world(), Run(watches=(watch,)))
    assert watch.ended == 1
