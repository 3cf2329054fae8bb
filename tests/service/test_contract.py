"""Whatever a machine makes of our OpenAPI document, and of what it forbids, is never answered with a fault of ours."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import CHECKS
from schemathesis.generation import GenerationMode

from service.child import Child

WANTED = ("not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance")


@pytest.mark.slow
def test_no_fault_of_ours(studio_shelf: Path, tmp_path: Path) -> None:
    child = Child(
        studio_shelf / "sasrec", studio_shelf / "tokens", studio_shelf / "dfgr",
        "--retriever", "tokens", "--ranker", "dfgr", "--store", f"sqlite:///{tmp_path / 'live.db'}",
        log=tmp_path / "log",
    ).start()  # fmt: skip
    try:
        document = schemathesis.openapi.from_url(f"{child.url}/openapi.json")
        checks = [CHECKS.get_one(name) for name in WANTED]
        operations = [found.ok() for found in document.get_all_operations()]
        assert len(operations) > 20
        asked = []
        for operation in operations:
            for mode in GenerationMode:

                @settings(
                    max_examples=25, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None,
                    derandomize=True, database=None,
                )  # fmt: skip
                @given(case=operation.as_strategy(generation_mode=mode))
                def ask(case: schemathesis.Case) -> None:
                    case.call_and_validate(checks=checks)

                with contextlib.suppress(Unsatisfiable):  # some have nothing that could be wrong
                    ask()
                    asked.append((operation.label, mode))
        assert {label for label, mode in asked if mode == GenerationMode.POSITIVE} == {one.label for one in operations}
        assert sum(mode == GenerationMode.NEGATIVE for _, mode in asked) > 10
        assert "Traceback" not in child.log.read_text()
    finally:
        child.kill()
