"""k-means finds planted clusters, its inertia never rises, and the balanced form is balanced."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from segue.kernels.k_means import balanced_k_means, k_means


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def planted(each: int = 30, clusters: int = 8, width: int = 6) -> tuple[Tensor, Tensor]:
    """Vectors close around the far corners of a cross, shuffled, and the corner of each."""
    corners = 100 * torch.eye(clusters, width) - 100 * torch.eye(clusters, width).roll(width, 0)
    drawn = rng(5)
    owners = torch.from_numpy(drawn.permutation(np.repeat(np.arange(clusters), each)))
    noise = torch.from_numpy(drawn.standard_normal((each * clusters, width))).float()
    return corners[owners] + noise, owners


def cloud(count: int, width: int = 3, seed: int = 0) -> Tensor:
    return torch.from_numpy(rng(seed).standard_normal((count, width))).float()


def test_planted_clusters_are_found() -> None:
    vectors, owners = planted()
    found = k_means(vectors, 8, rng())
    for cluster in range(8):
        own = owners[found.codes == cluster]
        assert len(own) == 30
        assert (own == own[0]).all()
        torch.testing.assert_close(found.centroids[cluster], vectors[found.codes == cluster].mean(0))
    assert found.inertia == pytest.approx(float((vectors - found.centroids[found.codes]).square().sum()), rel=1e-3)


@pytest.mark.parametrize("start", ["plus_plus", "sample"])
@pytest.mark.parametrize("clusters", [1, 7, 60])
def test_the_inertia_never_rises(start: str, clusters: int) -> None:
    found = k_means(cloud(500), clusters, rng(1), start=start, tolerance=0.0)
    steps = [*found.steps, found.inertia]
    assert len(steps) > 2
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(steps))


def test_two_points_by_hand() -> None:
    vectors = torch.tensor([[0.0], [2.0], [10.0], [14.0]])
    found = k_means(vectors, 2, rng(), start=torch.tensor([[0.0], [2.0]]))
    # 0 | 2 10 14 -> means 0, 26/3 -> 0 2 | 10 14 -> means 1, 12
    assert found.centroids.tolist() == [[1.0], [12.0]]
    assert found.codes.tolist() == [0, 0, 1, 1]
    assert found.inertia == 1 + 1 + 4 + 4
    assert found.steps[0] == 64 + 144


def test_an_empty_cluster_begins_again_at_the_farthest_point() -> None:
    vectors = torch.tensor([[0.0], [1.0], [9.0]])
    found = k_means(vectors, 2, rng(), start=torch.tensor([[0.0], [500.0]]))
    assert found.codes.tolist() == [0, 0, 1]
    assert found.centroids.tolist() == [[0.5], [9.0]]


def test_fewer_different_points_than_clusters_leave_some_empty() -> None:
    found = k_means(torch.ones(20, 2), 4, rng())
    assert found.inertia == 0
    assert found.codes.tolist() == [0] * 20
    assert torch.isfinite(found.centroids).all()


def test_plus_plus_starts_in_every_planted_cluster() -> None:
    vectors, owners = planted()
    found = k_means(vectors, 8, rng(3), iterations=0)
    assert len({int(owners[(vectors == one).all(1)][0]) for one in found.centroids}) == 8


def test_learning_from_a_sample_gives_codes_to_all() -> None:
    vectors, owners = planted(each=300)
    found = k_means(vectors, 8, rng(), sample=10)
    assert found.steps[0] < 0.1 * found.inertia  # 80 of 2,400 points
    assert all(len(owners[found.codes == cluster].unique()) == 1 for cluster in range(8))


def test_the_tolerance_ends_it_and_all_steps_are_told() -> None:
    told: list[int] = []
    found = k_means(cloud(500), 7, rng(1), tolerance=0.05, advance=lambda steps, note: told.append(steps))
    assert len(found.steps) < 25
    assert sum(told) == 25
    assert found.steps[-2] - found.steps[-1] <= 0.05 * found.steps[-2]


@pytest.mark.parametrize("cluster", [k_means, balanced_k_means])
def test_the_same_seed_gives_the_same_clusters(cluster) -> None:  # type: ignore[no-untyped-def]
    first, second = (cluster(cloud(200), 9, rng(4)) for _ in range(2))
    assert torch.equal(first.centroids, second.centroids)
    assert torch.equal(first.codes, second.codes)


@pytest.mark.parametrize("cluster", [k_means, balanced_k_means])
def test_fewer_vectors_than_clusters_are_refused(cluster) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="5 clusters need as many vectors, and there are 4"):
        cluster(cloud(4), 5, rng())


@given(st.integers(1, 20), st.integers(0, 150), st.integers(0, 1000))
def test_balanced_sizes_differ_by_at_most_one(clusters: int, more: int, seed: int) -> None:
    vectors = cloud(clusters + more, seed=seed)
    found = balanced_k_means(vectors, clusters, rng(seed), iterations=3)
    sizes = torch.bincount(found.codes, minlength=clusters)
    assert sizes.sum() == len(vectors)
    assert sizes.max() - sizes.min() <= (1 if len(vectors) % clusters else 0)


def test_equal_vectors_are_dealt_out_evenly_too() -> None:
    found = balanced_k_means(torch.ones(31, 2), 4, rng())
    assert sorted(torch.bincount(found.codes).tolist()) == [7, 8, 8, 8]


def test_balanced_clusters_by_hand() -> None:
    # The first centroid takes the two nearest to 0 though 2 is nearer to the second, which must take what is left.
    vectors = torch.tensor([[0.0], [2.0], [10.0], [14.0], [3.0]])
    found = balanced_k_means(vectors, 2, rng(), start=torch.tensor([[0.0], [2.4]]), iterations=1)
    # 0 2 | 3 10; the means are 1 and 6.5, so what is left, 14, is nearer to the second
    assert found.codes.tolist() == [0, 0, 1, 1, 1]
    assert found.centroids.tolist() == [[1.0], [9.0]]
    assert found.inertia == 1 + 1 + 1 + 25 + 36


def test_of_two_that_want_the_same_last_place_the_nearer_has_it() -> None:
    # Everybody takes one: 1 | 9 | 5. Both that are left, 4.8 and 5.1, want the third, and 5.1 is nearer to it.
    vectors = torch.tensor([[1.0], [9.0], [5.0], [4.8], [5.1]])
    found = balanced_k_means(vectors, 3, rng(), start=torch.tensor([[1.0], [9.0], [5.0]]), iterations=1)
    assert found.codes.tolist() == [0, 1, 2, 0, 2]


def test_balanced_clusters_of_planted_ones_are_the_planted_ones() -> None:
    vectors, owners = planted()
    found = balanced_k_means(vectors, 8, rng())
    assert all(len(owners[found.codes == cluster].unique()) == 1 for cluster in range(8))
    assert found.inertia == pytest.approx(k_means(vectors, 8, rng()).inertia, rel=1e-3)


def test_a_crowd_is_dealt_out_in_blocks_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from segue.kernels import k_means as module

    vectors = cloud(300)
    at_once = balanced_k_means(vectors, 20, rng(), iterations=4)
    monkeypatch.setattr(module, "BLOCK", 1)
    one_by_one = balanced_k_means(vectors, 20, rng(), iterations=4)
    assert torch.equal(at_once.codes, one_by_one.codes)
