"""What the studio shows is JSON first: runs, comparisons, codes, audits and the ledger, of real small runs."""

import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from segue.evaluation.report import read_report
from segue.service.looks import Kept, Looks
from segue.service.problems import Problem
from segue.service.routes.runs import line_of
from segue.service.settings import ServiceSettings
from segue.service.shelf import Shelf
from segue.workflows.codes import browse, open_codes
from segue.workflows.compare import compare_runs


def ask(client: TestClient, path: str, status: int = 200, **query: Any) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == status, answer.text
    return answer.json()


def test_the_list_of_runs_has_the_numbers_of_the_reports(client: TestClient, studio_shelf: Path) -> None:
    lines = {line["name"]: line for line in ask(client, "/runs")["runs"]}
    assert set(lines) == {"sasrec", "popularity", "tokens", "dfgr"}
    report = read_report(studio_shelf / "sasrec")
    assert lines["sasrec"]["metrics"]["NDCG@10"] == report.metrics["NDCG@10"].model_dump()
    assert lines["sasrec"]["protocol"] == report.protocol.words()
    assert [lines[name]["codes"] for name in ("sasrec", "popularity", "tokens")] == [False, False, True]
    assert {line["problem"] for line in lines.values()} == {None}


def test_a_run_is_shown_with_its_report_its_recipe_its_curve_and_its_paper(
    client: TestClient, studio_shelf: Path
) -> None:
    page = ask(client, "/runs/sasrec")
    assert page["recipe"] == (studio_shelf / "sasrec" / "recipe.yaml").read_text()
    assert [row["step"] for row in page["curves"]] == sorted({row["step"] for row in page["curves"]})
    assert all(math.isfinite(row["loss"]) for row in page["curves"])
    assert page["report"]["fingerprint"] == page["fingerprint"]
    assert page["paper"]["url"].startswith("https://arxiv.org/abs/")
    assert "Self-Attentive" in page["paper"]["words"]


@pytest.mark.parametrize("path", ["/runs/none", "/runs/none/audit", "/runs/none/codes", "/runs/%2e%2e%2fsasrec"])
def test_a_name_that_is_not_on_the_shelf_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


def test_numbers_that_are_none_are_null(client: TestClient, studio_shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(studio_shelf / "sasrec", tmp_path / "odd")
    (tmp_path / "odd" / "metrics.jsonl").write_text('{"step": 1, "loss": NaN, "score": Infinity}\n')
    text = (tmp_path / "odd" / "report.json").read_text()
    report = json.loads(text)
    report["metrics"]["NDCG@10"]["error"] = math.nan
    (tmp_path / "odd" / "report.json").write_text(json.dumps(report))
    client.app.state.service.shelf = Shelf([tmp_path / "odd"])  # type: ignore[attr-defined]
    page = ask(client, "/runs/odd")
    assert page["curves"] == [{"step": 1.0, "loss": None, "score": None}]
    assert page["report"]["metrics"]["NDCG@10"]["error"] is None
    assert ask(client, "/runs")["runs"][0]["metrics"]["NDCG@10"]["error"] is None


def test_a_run_that_cannot_be_read_keeps_its_line_and_says_why(
    client: TestClient, studio_shelf: Path, tmp_path: Path
) -> None:
    shutil.copytree(studio_shelf / "popularity", tmp_path / "broken")
    (tmp_path / "broken" / "report.json").write_text("{}")
    client.app.state.service.shelf = Shelf([], [studio_shelf, tmp_path])  # type: ignore[attr-defined]
    lines = {line["name"]: line for line in ask(client, "/runs")["runs"]}
    assert len(lines) == 5
    assert "not a report" in lines["broken"]["problem"]
    assert str(tmp_path) not in lines["broken"]["problem"]
    assert ask(client, "/runs/broken", 409)["type"] == "urn:segue:problem:unreadable-run"


def test_runs_are_compared_as_the_command_line_does(client: TestClient, studio_shelf: Path) -> None:
    page = ask(client, "/comparison", run=["popularity", "sasrec", "tokens"], metric=["HR@10", "MRR@10"])
    expected = compare_runs(
        [studio_shelf / name for name in ("popularity", "sasrec", "tokens")], metrics=["HR@10", "MRR@10"]
    )
    assert [row["name"] for row in page["rows"]] == ["popularity", "sasrec_small", "small_tokens"]
    assert page["words"] == expected.words()
    found = page["rows"][1]["differences"]["HR@10"]
    assert found["mean"] == pytest.approx(expected.rows[1].differences["HR@10"].mean)
    assert found["p"] == pytest.approx(expected.rows[1].corrected["HR@10"])
    assert found["low"] <= found["mean"] <= found["high"]
    assert page["rows"][0]["differences"] == {}
    assert {"NDCG@10", "HR@5"} <= set(page["available"])


def test_a_metric_that_is_not_shared_names_the_field(client: TestClient) -> None:
    problem = ask(client, "/comparison", 422, run=["popularity", "sasrec"], metric=["AUC"])
    assert problem["errors"][0]["field"] == "metric"
    assert "NDCG@10" in problem["detail"]


def test_runs_under_two_protocols_are_refused_until_they_may_be_mixed(
    client: TestClient, studio_shelf: Path, tmp_path: Path
) -> None:
    shutil.copytree(studio_shelf / "popularity", tmp_path / "again")
    path = tmp_path / "again" / "report.json"
    report = json.loads(path.read_text())
    report["protocol"]["seen"] = True
    del report["fingerprint"]
    path.write_text(json.dumps(report))
    client.app.state.service.shelf = Shelf([], [studio_shelf, tmp_path])  # type: ignore[attr-defined]
    problem = ask(client, "/comparison", 409, run=["popularity", "again"])
    assert problem["type"] == "urn:segue:problem:different-protocols"
    page = ask(client, "/comparison", run=["popularity", "again"], mixed=True)
    assert len(page["protocols"]) == 2


def test_the_tree_of_codes_is_walked_down_to_single_items(client: TestClient, studio_shelf: Path) -> None:
    root = ask(client, "/runs/tokens/codes", most=200)
    tokenizer = open_codes(studio_shelf / "tokens")
    assert (root["items"], root["levels"]) == (40, tokenizer.codes.levels)
    assert sum(child["items"] for child in root["children"]) == 40
    assert root["children"] == [child.model_dump() for child in browse(tokenizer, (), 1, 200).children]
    node = root
    while len(node["prefix"]) < root["levels"]:
        prefix = node["children"][0]["prefix"] if node["children"] else node["members"][0]["codes"]
        node = ask(client, "/runs/tokens/codes", prefix=",".join(map(str, prefix)))
        assert node["prefix"] == prefix
        assert all(one["codes"][: len(prefix)] == prefix for one in node["members"])
    assert len(node["members"]) == node["items"]


def test_an_item_is_found_by_its_title_and_placed_in_the_tree(client: TestClient, studio_shelf: Path) -> None:
    catalog = open_codes(studio_shelf / "tokens").catalog
    title, item_id = catalog.names()[7], str(catalog.ids[7])
    found = ask(client, "/runs/tokens/codes/items", query=title.upper())
    assert item_id in {one["item_id"] for one in found["items"]}
    assert ask(client, "/runs/tokens/codes/items", query=item_id)["items"][0]["title"] == title
    place = ask(client, f"/runs/tokens/codes/items/{item_id}")
    assert place["title"] == title
    assert [len(node["prefix"]) for node in place["path"]] == list(range(1, len(place["codes"]) + 1))
    assert ask(client, "/runs/tokens/codes/items/nowhere", 404)["status"] == 404


@pytest.mark.parametrize("prefix", ["x", "1,", "-1", "1;2", "99999999", "٣"])
def test_what_is_no_prefix_names_the_field(client: TestClient, prefix: str) -> None:
    assert ask(client, "/runs/tokens/codes", 422, prefix=prefix)["errors"][0]["field"] == "query.prefix"


def test_a_prefix_that_no_item_has_is_not_found_and_names_those_there_are(client: TestClient) -> None:
    assert "as first codes there are" in ask(client, "/runs/tokens/codes", 404, prefix="900")["detail"]
    assert "longer than a tuple" in ask(client, "/runs/tokens/codes", 404, prefix="1,1,1,1,1")["detail"]


@pytest.mark.parametrize("path", ["codes", "codes/items", "codes/items/x", "health"])
def test_a_run_without_codes_says_so(client: TestClient, path: str) -> None:
    problem = ask(client, f"/runs/sasrec/{path}", 404)
    assert problem["type"] == "urn:segue:problem:no-codes"
    assert "sasrec_small" in problem["detail"]


def test_the_health_of_codes_is_what_the_report_says(client: TestClient, studio_shelf: Path) -> None:
    report = read_report(studio_shelf / "tokens")
    assert report.codes is not None
    assert ask(client, "/runs/tokens/health") == json.loads(report.codes.model_dump_json())


def test_the_audit_looks_over_the_data_of_the_run(client: TestClient) -> None:
    found = ask(client, "/runs/sasrec/audit")
    assert (found["users"], found["items"]) == (60, 40)
    assert {finding["severity"] for finding in found["findings"]} <= {"info", "look", "serious"}
    assert any(finding["name"] == "test in training" and finding["count"] == 0 for finding in found["findings"])


def test_the_audit_knows_the_requests_of_a_run_that_judges_what_is_shown(client: TestClient) -> None:
    found = {finding["name"]: finding for finding in ask(client, "/runs/dfgr/audit")["findings"]}
    assert found["requests"]["count"] > 0
    assert "positives: click" in found


def test_without_a_ledger_the_answer_says_how_to_give_one(client: TestClient) -> None:
    client.app.state.service.settings = ServiceSettings()  # type: ignore[attr-defined]
    assert ask(client, "/ledger") == {
        "rows": [],
        "note": "The service was started without a ledger: segue serve RUN --ledger ledger.",
    }


def test_the_ledger_of_this_repository_is_shown(client: TestClient) -> None:
    rows = ask(client, "/ledger")["rows"]
    folder = Path(__file__).resolve().parents[2] / "ledger"
    assert len(rows) == len(list(folder.glob("*.json")))
    deciding = [list(row["metrics"].values())[-1]["mean"] for row in rows]
    assert all(math.isfinite(value) for value in deciding)


def test_what_is_kept_is_made_once_and_the_longest_unused_goes_first() -> None:
    kept, made = Kept[str](most=2), []

    def make(name: str) -> str:
        made.append(name)
        return name

    for name in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(name, lambda name=name: make(name)) == name  # type: ignore[misc]
    assert made == ["a", "b", "c", "b"]


def test_who_waits_too_long_for_a_reading_is_told_to_come_back() -> None:
    kept = Kept[int](most=2, patience=0.0)

    def within() -> int:
        with pytest.raises(Problem) as refused:
            kept.get("other", lambda: 2)
        assert refused.value.details.status == 503
        assert refused.value.headers["Retry-After"] == "5"
        return 1

    assert kept.get("one", within) == 1


def test_a_run_that_changes_is_read_again(studio_shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(studio_shelf / "popularity", tmp_path / "run")
    looks = Looks()
    before = line_of("run", tmp_path / "run", looks)
    assert line_of("run", tmp_path / "run", looks) is before
    (tmp_path / "run" / "report.json").unlink()
    assert line_of("run", tmp_path / "run", looks).metrics == {}


HOSTILE: dict[str, tuple[str, bytes]] = {
    "a report in UTF-16": ("report.json", "{}".encode("utf-16")),
    "a report without bottom": ("report.json", b"[" * 100_000),
    "a report that is a list": ("report.json", b"[1, 2]"),
    "half of a letter in a report": ("report.json", b'{"dataset": {"name": "\\ud800"}}'),
    "a recipe that is no text": ("recipe.yaml", b"recipe: \xff\xfe"),
    "a recipe without bottom": ("recipe.yaml", b"[" * 2_000),
    "a curve that is no text": ("metrics.jsonl", b'{"step": 1, "loss": "\xff\xfe"}\n'),
    "a curve of lists": ("metrics.jsonl", b"[1]\n"),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_one_broken_run_takes_neither_the_list_nor_the_other_pages_with_it(
    client: TestClient, studio_shelf: Path, tmp_path: Path, what: str
) -> None:
    shutil.copytree(studio_shelf / "tokens", tmp_path / "broken")
    name, contents = HOSTILE[what]
    (tmp_path / "broken" / name).write_bytes(contents)
    client.app.state.service.shelf = Shelf([], [studio_shelf, tmp_path])  # type: ignore[attr-defined]
    lines = {line["name"]: line for line in ask(client, "/runs")["runs"]}
    assert len(lines) == 5
    assert [name for name, line in lines.items() if line["problem"]] == (["broken"] if name != "metrics.jsonl" else [])
    if name == "metrics.jsonl":  # what it learnt can be shown without its curves
        assert ask(client, "/runs/broken")["name"] == "broken"
    else:
        refused = ask(client, "/runs/broken", 409)
        assert refused["type"] == "urn:segue:problem:unreadable-run"
        assert str(tmp_path) not in refused["detail"]
    if name == "report.json":
        told = ask(client, "/comparison", 409, run=["sasrec", "broken"])
        assert "broken" in told["detail"]
    for path in ("codes", "codes/items", "codes/items/i01", "health", "audit"):
        needed = {"recipe.yaml", "report.json"} if path == "health" else {"recipe.yaml"}
        assert client.get(f"/runs/broken/{path}").status_code == (409 if name in needed else 200)
    assert ask(client, "/runs/sasrec")["name"] == "sasrec"


def test_a_run_whose_files_may_not_be_read_is_read_when_they_may(
    client: TestClient, studio_shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: Path) -> Any:
        raise PermissionError(13, "Permission denied", str(folder / "report.json"))

    client.app.state.service.shelf = Shelf([studio_shelf / "sasrec"])  # type: ignore[attr-defined]
    with monkeypatch.context() as patched:
        patched.setattr("segue.service.routes.runs.read_report", refuse)
        (line,) = ask(client, "/runs")["runs"]
        assert "sasrec is damaged: PermissionError" in line["problem"]
        assert str(studio_shelf) not in line["problem"]
    assert ask(client, "/runs")["runs"][0]["problem"] is None


def test_one_broken_row_leaves_the_rest_of_the_ledger(client: TestClient, tmp_path: Path) -> None:
    ledger = Path(__file__).resolve().parents[2] / "ledger"
    row = sorted(ledger.glob("*.json"))[0]
    shutil.copy(row, tmp_path / row.name)
    (tmp_path / "odd.json").write_bytes(b"\xff\xfe{}")
    client.app.state.service.settings = ServiceSettings(ledger=tmp_path)  # type: ignore[attr-defined]
    page = ask(client, "/ledger")
    assert len(page["rows"]) == 1
    assert page["note"].startswith("1 files cannot be shown: odd.json is not a ledger row")


def test_a_file_that_was_replaced_with_its_size_and_time_kept_is_read_again(studio_shelf: Path, tmp_path: Path) -> None:
    shutil.copytree(studio_shelf / "popularity", tmp_path / "run")
    looks, report = Looks(), tmp_path / "run" / "report.json"
    seed = line_of("run", tmp_path / "run", looks).seed
    status, text = report.stat(), report.read_text()
    report.write_text(text.replace(f'"seed": {seed}', f'"seed": {seed + 1}'))
    os.utime(report, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert report.stat().st_size == status.st_size
    assert line_of("run", tmp_path / "run", looks).seed == seed + 1
