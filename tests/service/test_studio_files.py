"""The studio's files: served as what they are, with nothing from elsewhere and no way to put markup into a page."""

import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient

import segue.service
from segue.service.problems import Problem
from segue.service.routes import studio

FOLDER = Path(segue.service.__file__).parent / "studio"
MODULES = sorted(FOLDER.rglob("*.js"))


@pytest.fixture
def studio_client() -> TestClient:
    app = FastAPI()
    app.include_router(studio.router)

    @app.exception_handler(Problem)
    async def answer(_request: object, problem: Problem) -> JSONResponse:
        return JSONResponse(problem.body, problem.details.status)

    return TestClient(app)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("style.css", "text/css; charset=utf-8"),
        ("main.js", "text/javascript; charset=utf-8"),
        ("pages/user.js", "text/javascript; charset=utf-8"),
        ("mark.svg", "image/svg+xml"),
    ],
)
def test_a_file_comes_as_what_it_is_and_once(studio_client: TestClient, path: str, kind: str) -> None:
    answer = studio_client.get(f"/studio/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    assert answer.content == (FOLDER / (path or "index.html")).read_bytes()
    assert answer.headers["x-content-type-options"] == "nosniff"
    again = studio_client.get(f"/studio/{path}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_the_policy_allows_nothing_but_what_is_served_here(studio_client: TestClient) -> None:
    policy = studio_client.get("/studio/").headers["content-security-policy"]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/", "/studio"])
def test_the_ways_in_lead_to_the_studio(studio_client: TestClient, path: str) -> None:
    assert str(studio_client.get(path).url).endswith("/studio/")


@pytest.mark.parametrize(
    "path", ["none.js", "../service.py", "..%2fservice.py", "%2e%2e/%2e%2e/core/run.py", "pages", "__init__.py", "%00"]
)
def test_what_is_no_file_of_the_studio_is_not_found(studio_client: TestClient, path: str) -> None:
    answer = studio_client.get(f"/studio/{path}")
    assert answer.status_code == 404


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_says_what_it_is_and_imports_what_there_is(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("// ")
    for found in re.findall(r'^import .* from "(.+)";$', text, re.MULTILINE):
        assert (path.parent / found).resolve() in MODULES
    for names, found in re.findall(r'^import \{ (.+) \} from "(.+)";$', text, re.MULTILINE):
        other = (path.parent / found).resolve().read_text(encoding="utf-8")
        for name in names.split(", "):
            assert re.search(rf"^export (async )?(function|const|class) {name}\b", other, re.MULTILINE), name
            body = re.sub(r"^import .*$", "", text, flags=re.MULTILINE)
            assert re.search(rf"\b{name}\b", body), f"{name} is imported and not used"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_text_from_data_never_becomes_markup(path: Path) -> None:
    ways = (
        "innerHTML|outerHTML|insertAdjacentHTML|document.write|DOMParser|createContextualFragment|eval\\(|new Function"
    )
    assert re.findall(ways, path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("path", [*MODULES, FOLDER / "style.css", FOLDER / "index.html"], ids=lambda path: path.name)
def test_nothing_comes_from_elsewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
    assert re.findall(r"https?://|url\(|@import|//cdn", text) == []


def test_the_page_has_no_script_and_no_style_of_its_own() -> None:
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\bstyle=|\bon\w+=", text) == []
