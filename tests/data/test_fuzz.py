"""Random files: what Segue takes it reads as a second, simple reader does; what it refuses it refuses in words.

`SEGUE_FUZZ=2000` tries so many of each kind; `tests/data/door/mutate.py` tries as many as wanted without pytest.
"""

import os
import tempfile
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from data.door.mutate import compared
from data.door.samples import FORMS, Sample, sample, spoilt

EXAMPLES = int(os.environ.get("SEGUE_FUZZ", "10"))
"""Files of each form and kind."""

each_time_others = settings(
    deadline=None, derandomize=False, max_examples=EXAMPLES, suppress_health_check=list(HealthCheck), print_blob=True
)
dice = st.randoms(use_true_random=False)


def agrees(file: Sample) -> None:
    with tempfile.TemporaryDirectory() as folder:
        word, right, found = compared(file, Path(folder))
    note(f"{file.name}, cut by {file.separator!r}:\n{file.content[:4000]!r}\nright: {right}\nfound: {found!r}")
    if isinstance(found, BaseException):
        raise found
    assert word in ("read alike", "refused", "read, nothing to compare with")


@pytest.mark.parametrize("form", FORMS)
@each_time_others
@given(rng=dice)
def test_files_without_a_fault_are_read_alike(form: str, rng: Random):
    agrees(sample(rng, form))


@pytest.mark.parametrize("form", FORMS)
@each_time_others
@given(rng=dice)
def test_damaged_files_are_read_alike_or_refused(form: str, rng: Random):
    agrees(spoilt(rng, sample(rng, form)))
