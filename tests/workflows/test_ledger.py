"""The ledger: rows are files, and the pages are made from them and from nothing else."""

import json
from pathlib import Path

import pytest

from segue.core.errors import RunError
from segue.evaluation.protocol import Protocol
from segue.evaluation.report import DatasetNote
from segue.workflows import ledger
from segue.workflows.ledger import BEGIN, END, Entry, SeedNote

ROOT = Path(__file__).resolve().parents[2]


def entry(system: str, *ndcg: float, seen: bool = False, published: float | None = None) -> Entry:
    """A row with one seed for each NDCG."""
    protocol = Protocol(seen=seen)
    seeds = [
        SeedNote(
            seed=seed,
            metrics={"HR@10": 2 * value, "NDCG@10": value},
            standard_error={"HR@10": 0.01, "NDCG@10": 0.005},
            seconds=60.0,
            cpu_seconds=120.0,
            peak_memory_mb=700.0 + seed,
        )
        for seed, value in enumerate(ndcg)
    ]
    return Entry(
        system=system,
        row="ml-1m",
        dataset=DatasetNote(name="ml-1m", digest="0123456789abcdef", users=6040, items=3706, events=1_000_209),
        protocol=protocol,
        fingerprint=protocol.fingerprint,
        users=6040,
        seeds=seeds,
        published={} if published is None else {"NDCG@10": published},
        source="" if published is None else "the paper, table 2",
        evidence="" if published is None else "read",
        hardware={"cpu": "Abacus", "threads": "2"},
        versions={},
        command=f"segue reproduce {system} --row ml-1m",
        commit="abc1234",
        settings={},
    )


def test_rows_come_back_best_first_within_a_protocol(tmp_path: Path) -> None:
    rows = [entry("hstu", 0.17), entry("sasrec", 0.18, 0.20), entry("sasrec", 0.25, seen=True)]
    for row in rows:
        ledger.write(row, tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(row.file_name() for row in rows)
    read = ledger.read_all(tmp_path)
    assert [row for row in read if not row.protocol.seen] == [rows[1], rows[0]]


def test_a_row_measured_again_replaces_the_earlier_one(tmp_path: Path) -> None:
    ledger.write(entry("hstu", 0.1), tmp_path)
    ledger.write(entry("hstu", 0.2), tmp_path)
    assert [row.mean("NDCG@10") for row in ledger.read_all(tmp_path)] == [0.2]


def test_mean_and_spread_by_hand() -> None:
    assert entry("sasrec", 0.18, 0.20).mean("NDCG@10") == pytest.approx(0.19)
    assert entry("sasrec", 0.18, 0.20).spread("NDCG@10") == "± 0.0141 (2 seeds)"
    assert entry("sasrec", 0.18).spread("NDCG@10") == "± 0.0050 (1 seed; error over users)"


def test_a_row_of_the_table_by_hand() -> None:
    row = ledger.table([entry("sasrec", 0.18, 0.20, published=0.1857)]).splitlines()[-1]
    assert row == "| `sasrec` | 0.3800 | 0.1900 | ± 0.0141 (2 seeds) | – / 0.1857 | 2.0 CPU-min |"


def test_numbers_of_different_protocols_are_in_different_tables() -> None:
    page = ledger.page([entry("sasrec", 0.18), entry("sasrec", 0.25, seen=True)])
    tables = page.split("## ")[1:]
    assert len(tables) == 2
    assert "0.1800" in tables[0]
    assert "0.2500" not in tables[0]
    assert "seen items may return" in tables[1]


def test_rows_of_a_published_table_stand_together() -> None:
    rows = [entry("sasrec", 0.30), entry("letter", 0.20), entry("gflowgr", 0.25)]
    rows = [rows[0], *(row.model_copy(update={"group": "gflowgr"}) for row in (rows[2], rows[1]))]
    (text,) = ledger.page(rows).split("## ")[1:]
    alone, together = text.split("The table `gflowgr`:")
    assert alone.count("| `") == 1
    assert "| `sasrec` |" in alone
    assert together.index("| `gflowgr` |") < together.index("| `letter` |")
    assert ledger._tables(rows[:1]) == [ledger.table(rows[:1]), ""]


def test_a_published_number_stands_with_its_source() -> None:
    assert "Published: the paper, table 2 [read]." in ledger.page([entry("sasrec", 0.18, published=0.1857)])


def test_the_readme_changes_between_the_marks_alone() -> None:
    readme = f"before\n{BEGIN}\nold\n{END}\nafter\n"
    written = ledger.readme_with_table(readme, [entry("sasrec", 0.18)])
    assert written.startswith(f"before\n{BEGIN}\n")
    assert written.endswith(f"{END}\nafter\n")
    assert "old" not in written
    assert "`sasrec`" in written
    assert ledger.readme_with_table(written, [entry("sasrec", 0.18)]) == written
    with pytest.raises(RunError, match="lost its marks"):
        ledger.readme_with_table("no marks", [])


def test_a_file_that_is_no_row_or_has_a_wrong_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(RunError, match=r"a\.json is not a ledger row"):
        ledger.read_all(tmp_path)
    row = entry("sasrec", 0.18)
    (tmp_path / "a.json").write_text(json.dumps(row.model_dump(mode="json")))
    with pytest.raises(RunError, match=f"should be called {row.file_name()}"):
        ledger.read_all(tmp_path)


def test_main_writes_both_pages(tmp_path: Path) -> None:
    ledger.write(entry("sasrec", 0.18), tmp_path / "ledger")
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    ledger.main(tmp_path)
    assert "`sasrec`" in (tmp_path / "docs" / "ledger.md").read_text(encoding="utf-8")
    assert "`sasrec`" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_the_readme_shows_the_best_rows_of_a_table_and_what_was_published(tmp_path: Path) -> None:
    rows = [entry("sasrec", 0.3 - place / 100).model_copy(update={"row": f"row-{place}"}) for place in range(7)]
    told = entry("bert4rec", 0.01, published=0.2)
    for row in (*rows, told):
        ledger.write(row, tmp_path / "ledger")
    (tmp_path / "README.md").write_text(f"{BEGIN}\n{END}\n", encoding="utf-8")
    ledger.main(tmp_path)
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert [name for name in (f"(row-{place})" for place in range(7)) if name in readme] == [
        f"(row-{place})" for place in range(5)
    ]
    assert "`bert4rec`" in readme
    assert "[2 more rows](docs/ledger.md)" in readme
    assert "(row-6)" in (tmp_path / "docs" / "ledger.md").read_text(encoding="utf-8")


def test_our_own_pages_say_what_our_ledger_says() -> None:
    if not (ROOT / "ledger").is_dir():
        pytest.skip("no row has been measured yet")
    rows = ledger.read_all(ROOT / "ledger")
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert (ROOT / "docs" / "ledger.md").read_text(encoding="utf-8") == ledger.page(rows), "run `make docs`"
    assert ledger.readme_with_table(readme, rows) == readme, "run `make docs`"
    for row in rows:
        assert row.protocol.fingerprint == row.fingerprint
