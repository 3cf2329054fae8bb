"""A study of several systems: fitted once, tested against the first, and told in plain words."""

import json
from pathlib import Path

import numpy as np
import pytest

from segue.core.errors import SettingsError
from segue.core.recipe import TokenRecipe
from segue.core.run import Run
from segue.simulation.world import TINY, World
from segue.studies.exposure_bias import ExposureBias, Findings
from segue.workflows import runs, study
from segue.workflows.study_page import study_page
from segue.workflows.study_table import StudyReport, rows_of

SMALL = "workflows.small_tokens:RECIPE"
TINIER = World(users=30, items=24, categories=4, clicks=8.0, shown=5.0)
SECOND = """
from workflows.small_tokens import RECIPE as FIRST
RECIPE = FIRST.changed({"name": "second", "tokenizer.size": 3})
"""


def findings(values: list[float], **overall: float) -> Findings:
    users = np.array([f"u{row}" for row in range(len(values))])
    return Findings(users, {"hidden recall@10": np.array(values)}, overall)


@pytest.mark.slow
def test_a_study_fits_each_run_once_and_reads_it_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "second_tokens.py").write_text(SECOND)
    monkeypatch.syspath_prepend(tmp_path)
    asked = {"world": TINIER, "seeds": 2, "folder": tmp_path / "out", "study": ExposureBias(liked=0.2)}
    told: list[str] = []
    report = study.exposure_bias([SMALL, "second_tokens:RECIPE", "popularity"], tell=told.append, **asked)

    assert [row.system for row in report.rows] == [
        "small_tokens", "second", "popularity", "item_knn", "oracle", "ideal"
    ]  # fmt: skip
    assert [row.reference for row in report.rows] == [False, False, False, True, True, True]
    assert report.rows[1].seeds == [0, 1]
    assert len(told) == 6
    assert told[5].startswith("popularity, seed 1 (6 of 6): hidden recall@10 ")
    assert report.rows[-1].cells["value@10"].mean == pytest.approx(1)
    assert "slope" not in report.rows[2].cells
    difference = report.rows[1].cells["hidden recall@10"].difference
    assert difference is not None
    assert difference.users < 30, "users without hidden favourites are left out"
    assert report.rows[0].cells["hidden recall@10"].difference is None

    for seed in range(2):
        folder = tmp_path / "out" / "second" / f"seed-{seed}"
        experiment = runs.experiment_of(folder)
        assert experiment.seed == seed
        assert isinstance(experiment.recipe, TokenRecipe)
        assert experiment.recipe.start == str(tmp_path / "out" / "small_tokens" / f"seed-{seed}")
        assert experiment.recipe.tokenizer.dump()["size"] == 4, "the base's codes are taken over"
        assert (folder / "exposure_bias.json").exists()
        assert (folder / "exposure_bias.npz").exists()
    assert StudyReport.model_validate_json((tmp_path / "out" / "report.json").read_text()) == report
    assert "| second |" in (tmp_path / "out" / "report.md").read_text()
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<polyline" in page
    assert page.count("<td>-</td>") == 6, "popularity and item_knn have no probabilities"

    def never(*_: object, **__: object) -> None:
        raise AssertionError("a finished run was fitted again")

    monkeypatch.setattr(study, "fit", never)
    again = study.exposure_bias([SMALL, "second_tokens:RECIPE", "popularity"], **asked)
    assert again.rows == report.rows


def test_only_systems_of_codes_begin_where_the_base_ended(tmp_path: Path) -> None:
    plans = study._plans(["tiger_small", "sasrec_small", "gflowgr_small"], TINY, 2, {}, tmp_path)
    assert [(plan.system, plan.seed) for plan in plans] == [
        (system, seed) for seed in range(2) for system in ("tiger_small", "sasrec_small", "gflowgr_small")
    ]
    starts = [plan.settings.get("start") for plan in plans]
    bases = [str(tmp_path / "tiger_small" / f"seed-{seed}") for seed in range(2)]
    assert starts == [None, None, bases[0], None, None, bases[1]]
    others = study._plans(["popularity", "gflowgr_small"], TINY, 1, {}, tmp_path)
    assert [plan.settings.get("start") for plan in others] == [None, None], "popularity has no codes to begin with"


def test_what_is_wrong_is_said_before_anything_is_fitted(tmp_path: Path) -> None:
    where = {"world": TINY, "folder": tmp_path / "out"}
    with pytest.raises(SettingsError, match="Did you mean 'sasrec_small'"):
        study.exposure_bias(["popularity", "sasrec_smal"], **where)
    with pytest.raises(SettingsError, match="popularity is named twice"):
        study.exposure_bias(["popularity", "popularity"], **where)
    with pytest.raises(SettingsError, match="no system is named"):
        study.exposure_bias([], **where)
    with pytest.raises(SettingsError, match="no such setting"):
        study.exposure_bias(["popularity"], settings={"wndow": 3}, **where)
    with pytest.raises(SettingsError, match="measured on the simulated world"):
        study.exposure_bias(["popularity"], settings={"data": {"kind": "preparation", "path": "log.csv"}}, **where)
    assert not (tmp_path / "out").exists()


def test_the_default_systems_exist() -> None:
    assert [plan.system for plan in study._plans(study.SYSTEMS, World(), 1, {}, Path("out"))] == list(study.SYSTEMS)


def test_systems_are_tested_on_users_averaged_over_seeds() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(200)
    better = base + 0.1 + rng.normal(0, 0.01, 200)
    base[:20] = np.nan
    rows = rows_of(
        {
            "base": [findings(list(base), **{"coverage@10": 0.2}), findings(list(base + 0.02), **{"coverage@10": 0.4})],
            "better": [findings(list(better - 0.3)), findings(list(better + 0.3))],
            "same": [findings(list(base)), findings(list(base + 0.02))],
        },
        {"ideal": findings([1.0] * 200)},
        resamples=500,
    )
    cells = {row.system: row.cells["hidden recall@10"] for row in rows}
    assert cells["base"].mean == pytest.approx(np.nanmean(base) + 0.01)
    assert cells["base"].deviation == pytest.approx(0.02 / np.sqrt(2))
    assert cells["better"].deviation == pytest.approx(0.6 / np.sqrt(2))
    difference = cells["better"].difference
    assert difference is not None
    assert difference.mean == pytest.approx(0.09, abs=0.003)
    assert difference.low < difference.mean < difference.high
    assert difference.users == 180
    assert difference.corrected == pytest.approx(2 * difference.p), "two systems were compared with the base"
    assert cells["better"].words().endswith("**")
    same = cells["same"].difference
    assert same is not None
    assert (same.mean, same.corrected) == (0, 1)
    assert cells["ideal"].difference is None
    assert cells["ideal"].deviation is None
    assert rows[0].cells["coverage@10"].words() == "0.300 ± 0.141"
    assert rows[0].cells["coverage@10"].error is None


def test_other_users_are_refused() -> None:
    with pytest.raises(ValueError, match="other was examined on other users than base"):
        rows_of({"base": [findings([1.0, 2.0])], "other": [findings([1.0])]}, {})


def test_the_report_says_plainly_who_finds_more() -> None:
    rng = np.random.default_rng(0)
    base = rng.random(100)
    rows = rows_of(
        {
            "sft": [findings(list(base))],
            "more": [findings(list(base + 0.1))],
            "fewer": [findings(list(base - 0.1))],
            "alike": [findings(list(base + rng.normal(0, 0.1, 100)))],
        },
        {"ideal": findings([1.0] * 100)},
        resamples=500,
    )
    report = StudyReport(
        study=ExposureBias().dump(), data=TINY.dump(), settings={}, split="leave-one-out",
        dataset={"name": "world", "digest": "0" * 64, "users": 100, "items": 40, "events": 1000},
        users=100, measures=["hidden recall@10"], rows=rows,
    )  # fmt: skip
    more, fewer, alike = report.verdicts()
    assert more.startswith("more finds more hidden favourites than sft: hidden recall@10 +0.1000 (")
    assert fewer.startswith("fewer finds fewer hidden favourites than sft: hidden recall@10 -0.1000 (")
    assert alike.startswith("alike: no difference to sft is shown in hidden recall@10")
    assert report.markdown().count("\n- ") == 3
    assert "| ideal | 1.000 ± 0.000 |" in report.markdown()


def test_a_page_is_written_with_one_system_and_nothing_to_compare(tmp_path: Path) -> None:
    report = study.exposure_bias(["popularity"], world=TINY, seeds=1, folder=tmp_path, run=Run())
    page = study_page(report)
    assert report.verdicts() == []
    assert "Who finds more" not in page
    assert "Differences to" not in page
    assert json.loads((tmp_path / "popularity" / "seed-0" / "exposure_bias.json").read_text())["users"] == 60
