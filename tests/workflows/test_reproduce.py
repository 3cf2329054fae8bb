"""Planned rows: each can be read by its system, and a row is measured once."""

from dataclasses import replace
from pathlib import Path

import pytest

from cli.shell import write_log
from segue.core.claim import Claim
from segue.core.errors import DataError, SettingsError
from segue.workflows import ledger, reproduce
from segue.workflows.experiment import new
from segue.workflows.planned import Planned, nearby

FITTED = Claim(system="popularity", row="walks", data="walks.csv", seeds=2, published={"NDCG@10": 0.5})
ASKED = Claim(
    system="popularity", row="walks-unfiltered", data="walks.csv", seeds=2, trained="walks",
    asked={"evaluation.seen": True},
)  # fmt: skip


def test_every_planned_row_fits_its_system_and_says_where_its_number_is_from() -> None:
    for claim in reproduce.claims():
        experiment = new(claim.system, claim.data, claim.settings, 0)
        assert experiment.recipe.name == claim.system
        experiment.with_settings(claim.asked)
        assert all(name.split(".")[0] in ("evaluation", "decoder") for name in claim.asked)
        assert not claim.published or (claim.source and claim.evidence)


def test_planned_rows_are_named_once_and_share_runs_only_where_they_are_the_same() -> None:
    planned = reproduce.claims()
    assert len({(claim.system, claim.row) for claim in planned}) == len(planned)
    trained = {claim.run_name: claim for claim in planned if not claim.trained}
    rows = {f"{claim.system}--{claim.row}": claim for claim in planned}
    for claim in planned:
        owner = trained[claim.run_name]
        shared = ("data", "settings", "start", "judge", "tuned", "drafts", "behaviour")
        assert all(getattr(claim, name) == getattr(owner, name) for name in shared)
        for name in (claim.start, claim.tuned, claim.drafts, claim.behaviour):
            assert not name or trained[name].data == claim.data
        assert not claim.beside or (rows[claim.beside].data, rows[claim.beside].group) == (claim.data, claim.group)


def test_rows_are_measured_written_and_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "claims", lambda: [FITTED, ASKED])
    write_log(tmp_path / "walks.csv", users=20)
    places = {"ledger": tmp_path / "ledger", "data": tmp_path, "folder": tmp_path / "runs"}
    fitted, asked = reproduce.reproduce("popularity", **places)
    assert [seed.seed for seed in fitted.seeds] == [0, 1]
    assert fitted.published == {"NDCG@10": 0.5}
    assert (fitted.protocol.seen, asked.protocol.seen) == (False, True)
    assert len(list((tmp_path / "ledger").glob("*.json"))) == 2

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished run was fitted again")

    monkeypatch.setattr(reproduce, "fit", never)
    assert reproduce.reproduce("popularity", row="walks", **places) == [fitted]
    assert {row.row for row in ledger.read_all(tmp_path / "ledger")} == {"walks", "walks-unfiltered"}


def test_missing_data_and_unplanned_rows_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reproduce, "claims", lambda: [FITTED])
    with pytest.raises(DataError, match=r"walks\.csv is not there"):
        reproduce.reproduce("popularity", data=tmp_path)
    with pytest.raises(SettingsError, match=r"popularity plans no row other of the ledger\. Its rows: walks\.$"):
        reproduce.reproduce("popularity", row="other")
    with pytest.raises(SettingsError, match=r"ease plans no row of the ledger\. Groups: none\. Systems with rows: pop"):
        reproduce.reproduce("ease", row="walks")
    many = [FITTED.model_copy(update={"row": f"walks-{place}"}) for place in range(20)]
    monkeypatch.setattr(reproduce, "claims", lambda: [FITTED, *many])
    with pytest.raises(SettingsError, match=r"Its rows: walks-17, .* and 13 more\.$"):
        reproduce.reproduce("popularity", row="walk-17")


def test_a_row_leaves_work_to_another_of_its_seed(tmp_path: Path) -> None:
    """The sweep learns the drafts of SOFT, which begins with plain tuning; SASRec is fitted once for all seeds."""
    rows = reproduce.claims()

    def planned(system: str, row: str) -> Planned:
        (claim,) = [claim for claim in rows if (claim.system, claim.row) == (system, row)]
        return Planned(claim, 2, tmp_path, tmp_path / "runs")

    def before(one: Planned) -> list[tuple[str, int]]:
        return [(other.claim.run_name, other.seed) for other in one.before(rows)]

    swept, soft, llara = (
        planned(*names)
        for names in (
            ("soft_tiny", "industrial-alpha-10"),
            ("soft_tiny", "industrial"),
            ("soft_tiny_llara", "industrial"),
        )
    )
    assert before(swept) == [("soft_tiny--industrial", 2)]
    assert before(soft) == [("bigrec_tiny--industrial", 2)]
    assert before(llara) == [("llara_tiny--industrial", 2), ("sasrec_world--industrial", 0)]
    assert swept.experiment.recipe.procedure.drafts == str(soft.folder)  # type: ignore[attr-defined]
    learnt = llara.experiment.recipe
    assert learnt.procedure.tuned == str(tmp_path / "runs/llara_tiny--industrial/seed-2")  # type: ignore[attr-defined]
    assert learnt.behaviour.run == str(tmp_path / "runs/sasrec_world--industrial/seed-0")  # type: ignore[attr-defined]
    near = nearby(learnt.dump())
    assert near["procedure"]["tuned"] == "llara_tiny--industrial/seed-2"
    assert near["behaviour"]["run"] == "sasrec_world--industrial/seed-0"
    assert near == nearby(replace(llara, runs=tmp_path / "moved").experiment.recipe.dump())
    assert near != nearby(replace(llara, seed=1).experiment.recipe.dump())
