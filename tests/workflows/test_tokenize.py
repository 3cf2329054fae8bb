"""Which tokenizer is meant, and what a run of a token system says of its codes."""

from pathlib import Path

import pytest

from segue.core.errors import SettingsError
from segue.core.run import Run
from segue.encoders.text_vectors import TextVectors
from segue.evaluation.report import read_report
from segue.tokenizers import saved_codes
from segue.tokenizers.random_codes import RandomCodes
from segue.tokenizers.residual_k_means import ResidualKMeans
from segue.workflows import systems, tokenize
from segue.workflows.codes import browse, health_of, open_codes
from segue.workflows.experiment import Experiment, new
from segue.workflows.fit import fit
from workflows.small_tokens import RECIPE

WORLD = {"data.users": 60, "data.items": 40, "data.categories": 4, "data.clicks": 8.0}


@pytest.fixture
def usual(monkeypatch: pytest.MonkeyPatch) -> None:
    """The small system stands where the usual one does."""
    find = systems.find
    monkeypatch.setattr(systems, "find", lambda name: RECIPE if name == tokenize.USUAL else find(name))


def test_the_usual_tokenizer_is_that_of_the_usual_system(usual: None) -> None:
    assert tokenize.tokenizer_of(None, {}) == RECIPE.tokenizer
    assert tokenize.tokenizer_of(tokenize.USUAL, {"size": 3}) == RECIPE.tokenizer.changed({"size": 3})


def test_a_kind_borrows_what_it_cannot_do_without(usual: None) -> None:
    found = tokenize.tokenizer_of("product_codes", {"levels": 2, "encoder.width": 16, "data.core": 5})
    assert (found.kind(), found.levels, found.encoder) == ("product_codes", 2, TextVectors(width=16))
    found = tokenize.tokenizer_of("residual_k_means", {"encoder": "own_vectors", "encoder.path": "here.npy"})
    assert (found.encoder.kind(), found.encoder.path) == ("own_vectors", "here.npy")
    assert tokenize.tokenizer_of("random_codes", {}) == RandomCodes()


def test_without_a_usual_system_a_name_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenize, "USUAL", "nothing")
    with pytest.raises(SettingsError, match=r"say which with --tokenizer. Choose one of: .*residual_k_means"):
        tokenize.tokenizer_of(None, {})
    with pytest.raises(SettingsError, match="encoder: Field required"):
        tokenize.tokenizer_of("residual_k_means", {})
    assert tokenize.tokenizer_of("residual_k_means", {"encoder": "text_vectors"}).encoder == TextVectors()


def test_settings_of_the_data_go_to_the_data() -> None:
    experiment = tokenize.experiment_of("log.csv", {"data.core": 5, "split": "leave_two_out", "size": 3}, 7)
    assert (experiment.data.core, experiment.split.kind(), experiment.seed) == (5, "leave_two_out", 7)


def test_codes_of_a_world_serve_again(tmp_path: Path) -> None:
    experiment = tokenize.experiment_of("world", WORLD, 0)
    fitted, health = tokenize.tokenize(RECIPE.tokenizer, experiment, tmp_path / "codes", Run())
    assert isinstance(fitted.part, ResidualKMeans)
    assert health_of(tmp_path / "codes") == health
    (tmp_path / "codes" / tokenize.HEALTH).unlink()
    again = health_of(tmp_path / "codes")  # measured anew, of course without the histories
    assert [depth.collisions for depth in again.depths] == [depth.collisions for depth in health.depths]
    assert again.depths[0].successors is None
    assert health.depths[0].successors is not None
    assert health.reconstruction == pytest.approx(again.reconstruction, abs=1e-4)


def test_a_run_of_a_token_system_reports_its_codes_and_can_be_looked_into(tmp_path: Path) -> None:
    experiment: Experiment = new("workflows.small_tokens:RECIPE", None, {**WORLD, "batches.history": 4}, 0)
    report = fit(experiment, tmp_path / "run", baselines=())
    assert report.codes is not None
    assert report.codes.items == 40
    assert read_report(tmp_path / "run") == report
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "The codes" in page
    assert "What the search lost" in page
    assert report.beam is not None
    assert report.beam.users == min(200, report.users)
    assert 0 < report.beam.inside <= 1 + 1e-6
    assert health_of(tmp_path / "run") == report.codes
    tokenizer = open_codes(tmp_path / "run")
    assert browse(tokenizer).items == 40
    saved_codes.save(tmp_path / "codes", tokenizer)
    assert (open_codes(tmp_path / "codes").codes.codes == tokenizer.codes.codes).all()


def test_a_run_of_a_scoring_system_says_nothing_of_codes(tmp_path: Path) -> None:
    report = fit(new("popularity", None, WORLD, 0), tmp_path / "run", baselines=())
    assert report.codes is None
    assert report.beam is None
