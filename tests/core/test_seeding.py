"""One seed, many streams: by name, and the same every time."""

import torch

from segue.core.seeding import derived_seed, numpy_generator, torch_generator


def test_a_stream_is_the_same_on_every_call_and_machine() -> None:
    assert derived_seed(0, "step", 1) == derived_seed(0, "step", 1) == 1578201625287471526


def test_streams_differ_by_seed_by_name_and_by_number() -> None:
    seeds = [derived_seed(0, "a"), derived_seed(1, "a"), derived_seed(0, "b"), derived_seed(0, "a", 1), derived_seed(0)]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_generators_follow_their_name() -> None:
    assert numpy_generator(3, "x").random() == numpy_generator(3, "x").random()
    assert numpy_generator(3, "x").random() != numpy_generator(3, "y").random()
    one, same, other = (torch.rand(4, generator=torch_generator(3, name)) for name in ("x", "x", "y"))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
