"""Codes at the command line: made whole or not at all, looked into, added to; and what is refused."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from cli.shell import Shell, contents
from segue.tokenizers import saved_codes
from segue.tokenizers.residual_k_means import ResidualKMeans

TOPICS = ("nail polish", "hair shampoo", "face cream", "beard oil")
WILD = "[red]<script>alert(1)</script>[/red]"
KIND = ("--tokenizer", "residual_k_means", "--set", "size=4", "--set", "levels=2")
SMALL = (*KIND, "--set", "encoder=text_vectors", "--set", "encoder.width=8")


def write_shop(folder: Path, items: int = 48, titled: bool = True) -> Path:
    """A log beside a catalog of four kinds of things; everybody stays with one kind."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["user,item,timestamp"]
    for user in range(40):
        lines += [f"u{user},i{(4 * (user + step) + user % 4) % items},{1_700_000_000 + step}" for step in range(6)]
    (folder / "log.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    if titled:
        with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
            rows = [
                (f"i{item}", f"{TOPICS[item % 4]} number{item} {WILD if item == 0 else ''}") for item in range(items)
            ]
            csv.writer(file).writerows([("item", "title"), *rows])
    return folder / "log.csv"


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_shop(tmp_path_factory.mktemp("shop"))


@pytest.fixture
def codes(segue: Shell, shop: Path, tmp_path: Path) -> Path:
    said = segue("tokenize", "--data", shop, "--out", tmp_path / "codes", *SMALL)
    assert said.code == 0, said.err
    return tmp_path / "codes"


def test_tokenize_leaves_a_whole_folder_and_says_what_is_next(segue: Shell, shop: Path, tmp_path: Path) -> None:
    said = segue("tokenize", "--data", shop, "--out", tmp_path / "new" / "codes", *SMALL)
    assert said.code == 0
    assert "residual_k_means" in said.out
    assert "48 items" in " ".join(said.out.split())
    assert f"--set tokenizer={tmp_path / 'new' / 'codes'}" in said.out.replace("\n", "")
    again = segue("tokenize", "--data", shop, "--out", tmp_path / "new" / "codes", *SMALL, "--overwrite",
                  "--set", "data.core=1")  # fmt: skip
    assert f"--data {shop} --set data.core=1 --set tokenizer=" in again.out.replace("\n", "")
    assert {"health.json", "report.html"} <= set(contents(tmp_path / "new" / "codes"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["codes"], "no draft is left"
    page = (tmp_path / "new" / "codes" / "report.html").read_text(encoding="utf-8")
    assert "<script" not in page
    loaded = saved_codes.load(tmp_path / "new" / "codes")
    assert (len(loaded.codes), loaded.part.size) == (48, 4)


def test_the_same_seed_gives_the_same_codes(segue: Shell, shop: Path, codes: Path, tmp_path: Path) -> None:
    assert segue("tokenize", "--data", shop, "--out", tmp_path / "again", *SMALL).code == 0
    one, other = (saved_codes.load(folder).codes.codes for folder in (codes, tmp_path / "again"))
    assert (one == other).all()


def test_json_is_one_document_and_nothing_else(segue: Shell, shop: Path, codes: Path, tmp_path: Path) -> None:
    made = json.loads(segue("tokenize", "--data", shop, "--out", tmp_path / "other", *SMALL, "--json").out)
    assert made["items"] == 48
    assert made["origin"]["kind"] == "residual_k_means"
    assert made["origin"]["data"]["items"] == 48
    health = json.loads(segue("codes", "health", codes, "--json").out)
    assert health == json.loads((codes / "health.json").read_text())
    assert health["depths"] == made["depths"]


def test_codes_are_not_overwritten_unasked_and_other_folders_never(
    segue: Shell, shop: Path, codes: Path, tmp_path: Path
) -> None:
    before = contents(codes)
    said = segue("tokenize", "--data", shop, "--out", codes, *SMALL)
    assert (said.code, "--overwrite" in said.err) == (1, True)
    assert contents(codes) == before
    assert segue("tokenize", "--data", shop, "--out", codes, *SMALL, "--overwrite", "--set", "size=3").code == 0
    assert saved_codes.load(codes).part.size == 3
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.tex").write_text("years of work")
    said = segue("tokenize", "--data", shop, "--out", tmp_path / "thesis", *SMALL, "--overwrite")
    assert (said.code, "holds no codes" in said.err) == (1, True)
    assert contents(tmp_path / "thesis") == {"thesis.tex": b"years of work"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["codes", "thesis"]


@pytest.mark.parametrize("error", [OSError("no space left on device"), KeyboardInterrupt()], ids=str)
def test_what_breaks_while_writing_leaves_the_old_codes(
    error: BaseException, segue: Shell, shop: Path, codes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(codes)

    def breaks(folder: Path, fitted: object) -> None:
        (folder / "half").write_text("half")
        raise error

    monkeypatch.setattr(saved_codes, "save", breaks)
    words = ("tokenize", "--data", shop, "--out", codes, *SMALL, "--overwrite")
    said = segue(*words)
    if isinstance(error, OSError):
        assert (said.code, said.err) == (1, "error: no space left on device.\n")
    else:
        assert (said.code, "nothing was written" in said.err) == (130, True)
    assert contents(codes) == before
    assert [path.name for path in codes.parent.iterdir()] == ["codes"]


def test_ctrl_c_while_fitting_leaves_nothing(
    segue: Shell, shop: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ResidualKMeans, "learn", stopped)
    said = segue("tokenize", "--data", shop, "--out", tmp_path / "codes", *SMALL)
    assert (said.code, "nothing was written" in said.err) == (130, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--tokenizer", "residual_kmeanz"], "did you mean 'residual_k_means'? Choose one of: "),
        (["--tokenizer", "sasrec"], "there is no tokenizer 'sasrec'"),
        ([*SMALL, "--set", "sizes=3"], "did you mean 'size'?"),
        ([*SMALL, "--set", "size=4000"], "48 items"),
        ([*SMALL, "--set", "encoder.columns={summary: 1}"], "summary"),
        ([*SMALL, "--set", "data.core=30"], "core"),
        ([*KIND, "--set", "encoder=own_vectors", "--set", "encoder.path=nowhere.npy"], "nowhere.npy"),
        ([*SMALL, "--data", "nowhere.csv"], "nowhere.csv"),
    ],
    ids=str,
)
def test_a_wrong_word_gets_a_line_that_says_what_to_do_and_leaves_nothing(
    words: list[str], wanted: str, segue: Shell, shop: Path, tmp_path: Path
) -> None:
    said = segue("tokenize", "--data", shop, "--out", tmp_path / "codes", *words)
    assert said.code == 1
    assert said.err.startswith("error: ")
    assert wanted in said.err
    assert "Traceback" not in said.err
    assert list(tmp_path.iterdir()) == []


def test_a_log_without_texts_is_refused(segue: Shell, tmp_path: Path) -> None:
    log = write_shop(tmp_path / "shop", titled=False)
    said = segue("tokenize", "--data", log, "--out", tmp_path / "codes", *SMALL)
    assert (said.code, "no text" in said.err) == (1, True)
    assert not (tmp_path / "codes").exists()


def test_vectors_that_are_not_numbers_are_refused(segue: Shell, shop: Path, tmp_path: Path) -> None:
    lines = ["item_id,vector", *(f'i{item},"[{item}.0, {"NaN" if item == 7 else 1.0}]"' for item in range(48))]
    (tmp_path / "vectors.csv").write_text("\n".join(lines))
    own = ["--set", "encoder=own_vectors", "--set", f"encoder.path={tmp_path / 'vectors.csv'}"]
    said = segue("tokenize", "--data", shop, "--out", tmp_path / "codes", *KIND, *own)
    assert said.code == 1
    assert "'i7'" in said.err
    assert not (tmp_path / "codes").exists()


def test_the_tree_adds_up_and_its_words_are_those_of_its_items(segue: Shell, codes: Path) -> None:
    tree = json.loads(segue("codes", "inspect", codes, "--json").out)
    assert (tree["items"], tree["prefix"]) == (48, [])
    assert sum(child["items"] for child in tree["children"]) == 48
    loaded = saved_codes.load(codes)
    for child in tree["children"]:
        members = (loaded.codes.codes[:, 0] == child["prefix"][0]).nonzero()[0]
        assert len(members) == child["items"]
        kinds = {TOPICS[int(loaded.catalog.ids[int(row)].removeprefix("i")) % 4] for row in members}
        assert len(kinds) == 1, "each topic has a code of its own"
        assert set(child["words"]) == set(kinds.pop().split())
        assert sum(inner["items"] for inner in child["children"]) == child["items"]
    first = tree["children"][0]
    below = json.loads(segue("codes", "inspect", codes, "--prefix", first["prefix"][0], "--depth", 1, "--json").out)
    assert [child["prefix"] for child in below["children"]] == [child["prefix"] for child in first["children"]]
    few = json.loads(segue("codes", "inspect", codes, "-n", 1, "--depth", 1, "--json").out)
    assert (len(few["children"]), few["more"]) == (1, 3)


def test_for_people_the_tree_is_text_and_titles_stay_as_they_are(segue: Shell, codes: Path) -> None:
    said = segue("codes", "inspect", codes, "-n", 4)
    assert said.code == 0
    assert "48 items" in said.out
    assert "12 items, 25.0%" in said.out
    assert all(len(line) <= 80 for line in said.out.splitlines()), "a node is a line"
    said = segue("codes", "inspect", codes, "--item", "i0")
    assert WILD in said.out.replace("\n", "")
    assert segue("codes", "health", codes).code == 0


def test_an_item_stands_beside_its_like(segue: Shell, codes: Path) -> None:
    place = json.loads(segue("codes", "inspect", codes, "--item", "i6", "-n", 3, "--json").out)
    loaded = saved_codes.load(codes)
    assert place["codes"] == loaded.codes.codes[loaded.catalog.rows(["i6"])[0]].tolist()
    assert [node["prefix"] for node in place["path"]] == [place["codes"][: depth + 1] for depth in range(3)]
    assert place["path"][-1]["items"] == 1
    assert 1 <= len(place["beside"]) <= 3
    for other in place["beside"]:
        assert other["codes"][: place["together"]] == place["codes"][: place["together"]]
        assert other["title"].startswith("face cream")


def test_who_asks_for_what_is_not_there_is_told_what_is(segue: Shell, codes: Path, shop: Path, finished) -> None:
    for words, wanted in (
        (["inspect", codes, "--prefix", "99"], "no item begins with 99; as first codes there are 4: 0, 1, 2, 3."),
        (["inspect", codes, "--prefix", "0,99"], "under 0 there are"),
        (["inspect", codes, "--prefix", "0,0,0,0"], "longer than a tuple"),
        (["inspect", codes, "--prefix", "zero"], "numbers, such as 12,7"),
        (["inspect", codes, "--item", "i444"], "near: i"),
        (["inspect", codes, "--item", "Beard"], "titles with these words: i"),
        (["inspect", shop.parent], "holds no codes"),
        (["inspect", finished["sasrec"]], "sasrec_small, which gives items no codes"),
        (["health", shop], "holds no codes"),
        (["health", codes.parent / "nothing"], str(codes)),
    ):
        said = segue("codes", *words)
        assert said.code == 1, words
        assert wanted in said.err, said.err
        assert "Traceback" not in said.err


def test_new_items_get_codes_and_nobody_moves(segue: Shell, codes: Path, tmp_path: Path) -> None:
    before = saved_codes.load(codes)
    (tmp_path / "new.csv").write_text(
        "item,title,colour\ni3,renamed,\nn1,nail polish brandnew,red\nn2,beard oil,blue\n"
    )
    said = segue("codes", "add", codes, "--items", tmp_path / "new.csv", "--out", tmp_path / "grown")
    assert said.code == 0, said.err
    assert "2 items added, 48 kept their codes." in said.out
    after = saved_codes.load(tmp_path / "grown")
    assert (after.codes.codes[:48] == before.codes.codes).all()
    assert after.catalog.ids.to_list()[48:] == ["n1", "n2"]
    polish = after.codes.codes[after.catalog.ids.to_list().index("n1"), 0]
    assert polish == before.codes.codes[before.catalog.rows(["i4"])[0], 0], "among the other nail polishes"
    assert (after.codes.find(after.codes.codes) == range(50)).all()
    again = segue("codes", "add", tmp_path / "grown", "--items", tmp_path / "new.csv", "--out", tmp_path / "more")
    assert (again.code, "have codes already" in again.err) == (1, True)
    assert not (tmp_path / "more").exists()
    kept = shutil.copytree(tmp_path / "grown", tmp_path / "kept")
    said = segue("codes", "add", codes, "--items", tmp_path / "new.csv", "--out", kept)
    assert (said.code, contents(kept) == contents(tmp_path / "grown")) == (1, True)
