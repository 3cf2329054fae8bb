"""The studio in a real browser, before the real service: what people do with it, by pointer, by keys, on a phone."""

import json
import re
import shutil
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

from service.page_checks import FAINT, NAMELESS
from service.studio_server import StudioServer

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; on Debian: apt-get install chromium"),
]
PAGES = ("runs", "run/sasrec", "compare?run=sasrec&run=tokens", "user", "user/u01", "codes/tokens", "data/tokens",
         "ledger", "live")  # fmt: skip
REFUSED = re.compile(r"Failed to load resource: the server responded with a status of (4\d\d|503)")
"""What a browser notes itself of a refusal that a test has provoked."""


@pytest.fixture(scope="module")
def server(studio_shelf: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StudioServer]:
    store = tmp_path_factory.mktemp("live") / "live.sqlite"
    runs = [studio_shelf / "sasrec", studio_shelf / "tokens"]
    ledger = Path(__file__).resolve().parents[2] / "ledger"
    words = [*runs, "--shelf", studio_shelf, "--store", f"sqlite:///{store}", "--ledger", ledger]
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("SEGUE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        with StudioServer(words) as running:
            yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


class Studio:
    """A tab, and what went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url, self.faults = page, url, list[str]()
        self.provoked = False
        """Whether a test asks for what must be refused."""
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", lambda said: self.faults.append(said.text) if said.type in ("error", "warning") else None)

    def open(self, address: str) -> None:
        """A page of the studio, when it has all its content."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.url}/studio/#/{address}")
        self.settle()

    def settle(self) -> None:
        expect(self.page.locator("main h1").first).to_be_visible()
        expect(self.page.locator("[aria-busy]")).to_have_count(0, timeout=30_000)

    def choose(self, label: str, words: str) -> None:
        """Type into a field that suggests, and take the first suggestion by keys."""
        field = self.page.get_by_role("combobox", name=label, exact=True)
        field.fill(words)
        expect(self.page.locator(".suggestions [role=option]").first).to_be_visible()
        field.press("ArrowDown")
        field.press("Enter")

    def list_of(self, system: str) -> list[str]:
        """The titles that a system recommends."""
        region = self.page.get_by_role("region", name=f"Recommended by {system}")
        expect(region).to_be_visible()
        return [text.split(", also in")[0] for text in region.locator(".answer-title").all_text_contents()]


@pytest.fixture
def studio(browser: Browser, server: StudioServer, request: pytest.FixtureRequest) -> Iterator[Studio]:
    """A fresh tab; nothing may go wrong in it, but for refusals where a test provokes them."""
    settings: dict[str, Any] = {"viewport": {"width": 1200, "height": 900}, "reduced_motion": "reduce"}
    context = browser.new_context(**{**settings, **getattr(request, "param", {})})
    tab = Studio(context.new_page(), server.url)
    yield tab
    context.close()
    assert [fault for fault in tab.faults if not (tab.provoked and REFUSED.search(fault))] == []


def ask(server: StudioServer, path: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server.url + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def test_the_way_in_shows_all_runs_with_their_numbers(studio: Studio, server: StudioServer) -> None:
    studio.page.goto(server.url)
    studio.settle()
    expect(studio.page).to_have_title("Runs · Segue studio")
    for run in ask(server, "/runs")["runs"]:
        row = studio.page.get_by_role("row").filter(has=studio.page.get_by_role("link", name=run["name"], exact=True))
        for value in run["metrics"].values():
            expect(row).to_contain_text(f"{value['mean']:.4f} ± {value['error']:.4f}")
    studio.page.get_by_label("Filter").fill("tok")
    expect(studio.page.get_by_role("status").filter(has_text="1 of 4 runs")).to_be_visible()
    expect(studio.page.get_by_role("link", name="sasrec", exact=True)).to_have_count(0)
    studio.page.get_by_label("Filter").fill("no such run")
    expect(studio.page.get_by_text("No run fits")).to_be_visible()


def test_a_curve_is_read_with_the_keys_and_as_a_table(studio: Studio, server: StudioServer) -> None:
    studio.open("run/sasrec")
    curve = [row for row in ask(server, "/runs/sasrec")["curves"] if "loss" in row]
    reader = studio.page.get_by_role("slider", name="Training loss, by step")
    reader.focus()
    reader.press("Home")
    assert reader.get_attribute("aria-valuetext") == f"step {curve[0]['step']:.0f}: {_precise(curve[0]['loss'])}"
    reader.press("ArrowRight")
    assert reader.get_attribute("aria-valuetext") == f"step {curve[1]['step']:.0f}: {_precise(curve[1]['loss'])}"
    figure = studio.page.locator("figure").filter(has_text="Training loss")
    expect(figure.locator("svg title")).to_have_text("Training loss")
    figure.get_by_text("As a table").click()
    expect(figure.get_by_role("row")).to_have_count(len(curve) + 1)


def _precise(value: float) -> str:
    return f"{float(f'{value:.4g}'):g}"


def test_two_runs_are_chosen_and_compared(studio: Studio, server: StudioServer) -> None:
    studio.open("runs")
    studio.page.get_by_label("Choose sasrec").check()
    expect(studio.page.get_by_role("button", name="Compare")).to_be_disabled()
    studio.page.get_by_label("Choose tokens").check()
    studio.page.get_by_role("button", name="Compare 2 runs").click()
    studio.settle()
    assert "run=sasrec" in studio.page.url
    found = ask(server, "/comparison?run=sasrec&run=tokens")
    expect(studio.page.get_by_text(found["words"])).to_be_visible()
    row = studio.page.get_by_role("row").filter(has_text="small_tokens").first
    expect(row).to_contain_text(f"{found['rows'][1]['values']['HR@10']['mean']:.4f}")
    plot = studio.page.get_by_role("img", name=re.compile("HR@10: difference to sasrec_small: small_tokens"))
    expect(plot).to_be_visible()
    studio.page.get_by_text("The tests in numbers").click()
    expect(studio.page.get_by_role("columnheader", name="p (Holm)")).to_be_visible()
    studio.page.get_by_label("Held against").select_option("tokens")
    expect(studio.page.get_by_role("img", name=re.compile("HR@10: difference to small_tokens"))).to_be_visible()
    studio.page.reload()
    studio.settle()
    expect(studio.page.get_by_label("Held against")).to_have_value("tokens")


def test_a_user_is_searched_and_seen_with_history_and_lists(studio: Studio, server: StudioServer) -> None:
    studio.open("user")
    studio.choose("User", "u0")
    expect(studio.page.get_by_role("heading", name="u00", level=1)).to_be_visible()
    studio.settle()
    known = ask(server, "/users/u00")
    expect(studio.page.locator(".events li").first).to_contain_text(known["events"][0]["title"])
    for system in ("sasrec", "tokens"):
        answer = ask(server, "/recommend", {"user_id": "u00", "system": system})
        assert studio.list_of(system) == [item["title"] for item in answer["items"]]
    both = set(studio.list_of("sasrec")) & set(studio.list_of("tokens"))
    marked = studio.page.get_by_role("region", name="Recommended by sasrec").locator(".answer.common .answer-title")
    assert {text.split(", also in")[0] for text in marked.all_text_contents()} == both


def test_an_event_is_added_and_the_recommendations_change(studio: Studio, server: StudioServer) -> None:
    studio.open("user/u02")
    before = studio.list_of("sasrec")
    first = ask(server, "/recommend", {"user_id": "u02", "system": "sasrec"})["items"][0]
    button = studio.page.get_by_role("button", name="Add event")
    expect(button).to_be_disabled()
    studio.choose("Add an event", first["item_id"])
    button.press("Enter")
    expect(studio.page.locator(".events li").first).to_contain_text(first["title"])
    expect(studio.page.locator(".events li").first).to_contain_text("live")
    region = studio.page.get_by_role("region", name="Recommended by sasrec")
    expect(region).to_contain_text("left the list")
    after = studio.list_of("sasrec")
    assert first["title"] not in after
    assert after != before
    now = ask(server, "/recommend", {"user_id": "u02", "system": "sasrec"})
    assert [item["title"] for item in now["items"]] == after
    fresh = [title for title in after if title not in before]
    expect(region.locator(".move.new")).to_have_count(len(fresh))
    expect(studio.page.locator("#announcer")).to_contain_text(f"sasrec: {len(fresh)} new")
    studio.page.reload()
    studio.settle()
    expect(studio.page.locator(".events li").first).to_contain_text(first["title"])


def test_a_recommendation_says_why_and_can_be_linked_to(studio: Studio, server: StudioServer) -> None:
    studio.open("user/u03")
    item = ask(server, "/recommend", {"user_id": "u03", "system": "tokens"})["items"][0]
    why = ask(server, "/explain", {"user_id": "u03", "system": "tokens", "item_id": item["item_id"]})
    button = studio.page.get_by_role("region", name="Recommended by tokens").get_by_role("button").first
    button.click()
    box = studio.page.get_by_role("dialog", name=item["title"])
    expect(box.locator(".effects li")).to_have_count(min(10, len(why["events"])))
    expect(box.locator(".effects li").first).to_contain_text(why["events"][0]["title"])
    expect(box.locator(".steps li")).to_have_count(len(why["path"]))
    address = studio.page.url
    studio.page.keyboard.press("Escape")
    expect(box).to_have_count(0)
    expect(button).to_be_focused()
    studio.page.goto("about:blank")
    studio.page.goto(address)
    expect(studio.page.get_by_role("dialog", name=item["title"]).locator(".steps li").first).to_be_visible()


def test_codes_are_browsed_down_to_an_item_and_back(studio: Studio, server: StudioServer) -> None:
    studio.open("codes/tokens")
    root = ask(server, "/runs/tokens/codes?most=40")
    expect(studio.page.locator(".branches > li")).to_have_count(len(root["children"]))
    for depth in range(1, root["levels"] + 1):
        studio.page.locator(".branch").first.click()
        expect(studio.page.locator(".crumbs li")).to_have_count(depth + 1)
        studio.settle()
    expect(studio.page.get_by_role("heading", name="Items here")).to_be_visible()
    studio.page.locator(".branch").first.click()
    expect(studio.page.get_by_role("heading", name="Beside it")).to_be_visible()
    studio.page.get_by_role("navigation", name="Prefix").get_by_role("link", name="all items").click()
    expect(studio.page.locator(".big")).to_have_text("40 items")
    title = ask(server, "/runs/tokens/codes/items?query=i03")["items"][0]["title"]
    studio.choose("Find an item", title)
    expect(studio.page.get_by_role("heading", name=re.compile(title))).to_be_visible()


def test_data_and_ledger_show_what_the_service_says(studio: Studio, server: StudioServer) -> None:
    studio.open("data/tokens")
    audit = ask(server, "/runs/tokens/audit")
    for finding in audit["findings"]:
        expect(studio.page.get_by_text(finding["fact"], exact=True).first).to_be_visible()
    health = ask(server, "/runs/tokens/health")
    expect(studio.page.get_by_role("table", name="Codebooks by level").get_by_role("row")).to_have_count(
        1 + len(health["levels"])
    )
    studio.open("ledger")
    rows = ask(server, "/ledger")["rows"]
    expect(studio.page.get_by_text(f"{len(rows)} of {len(rows)} rows")).to_be_visible()
    studio.page.get_by_label("Filter").fill("sasrec_tuned")
    left = sum("sasrec_tuned" in row["system"] for row in rows)
    assert 0 < left < len(rows)
    expect(studio.page.get_by_text(f"{left} of {len(rows)} rows")).to_be_visible()


def test_of_a_run_that_judges_the_studio_shows_what_it_was_asked(studio: Studio, server: StudioServer) -> None:
    studio.provoked = True
    studio.open("data/dfgr")
    expect(studio.page.get_by_text(re.compile("requests of .* impressions are learnt"))).to_be_visible()
    studio.open("run/dfgr")
    expect(studio.page.get_by_role("rowheader", name=re.compile("^AUC")).first).to_be_visible()


def test_an_item_is_withdrawn_and_put_back(studio: Studio, server: StudioServer) -> None:
    question = {"user_id": "u04", "system": "sasrec"}
    item = ask(server, "/recommend", question)["items"][0]
    studio.open("live")
    studio.page.get_by_label("Find", exact=True).fill(item["item_id"])
    studio.page.get_by_role("button", name=f"Withdraw {item['title']}").click()
    expect(studio.page.get_by_role("button", name=f"Put back {item['title']}")).to_be_focused()
    assert item["item_id"] not in [one["item_id"] for one in ask(server, "/recommend", question)["items"]]
    studio.page.get_by_role("button", name=f"Put back {item['title']}").click()
    expect(studio.page.get_by_role("button", name=f"Withdraw {item['title']}")).to_be_visible()
    assert ask(server, "/recommend", question)["items"][0] == item


def test_a_list_on_its_way_does_not_undo_what_was_done_meanwhile(studio: Studio, server: StudioServer) -> None:
    item = ask(server, "/recommend", {"user_id": "u04", "system": "sasrec"})["items"][0]
    put_back = studio.page.get_by_role("button", name=f"Put back {item['title']}")
    studio.open("live")
    studio.page.get_by_label("Find", exact=True).fill(item["item_id"])
    withdraw = studio.page.locator(f".catalog li[data-item='{item['item_id']}']:only-child button")
    expect(withdraw).to_be_visible()
    held: list[Route] = []
    studio.page.route("**/items?*", lambda route: held.append(route), times=1)
    studio.page.get_by_label("Find", exact=True).fill(item["title"])
    until = time.monotonic() + 10
    while not held and time.monotonic() < until:
        studio.page.wait_for_timeout(20)
    before = held[0].fetch()
    withdraw.click()
    expect(put_back).to_be_focused()
    held[0].fulfill(response=before)
    studio.page.wait_for_timeout(200)
    expect(put_back).to_be_focused()
    put_back.click()
    expect(studio.page.get_by_role("button", name=f"Withdraw {item['title']}")).to_be_focused()


def test_a_run_is_swapped_in_only_when_confirmed(studio: Studio, server: StudioServer) -> None:
    def runs() -> list[str]:
        return [system["run"] for system in ask(server, "/systems")["systems"]]

    studio.open("live")
    for before, after in (("sasrec", "popularity"), ("popularity", "sasrec")):
        studio.page.get_by_label("Run to swap into sasrec").select_option(after)
        studio.page.get_by_role("button", name="Swap in…").first.click()
        studio.page.get_by_role("dialog").get_by_role("button", name="Leave it").click()
        assert runs() == [before, "tokens"]
        studio.page.get_by_role("button", name="Swap in…").first.click()
        studio.page.get_by_role("dialog").get_by_role("button", name="Swap it in").click()
        expect(studio.page.locator("main").get_by_text(f"sasrec answers with {after}")).to_be_visible()
        studio.settle()
        assert runs() == [after, "tokens"]


def test_a_run_of_other_items_is_swapped_in_only_when_that_is_meant(studio: Studio) -> None:
    asked: list[Any] = []

    def answer(route: Any) -> None:
        asked.append(route.request.post_data_json)
        if asked[-1].get("other_catalog"):
            route.fulfill(json={"name": "sasrec", "before": "sasrec", "now": "popularity", "seconds": 0.1})
        else:
            kind, detail = "urn:segue:problem:other-catalog", "popularity has 40 items against 44."
            problem = {"type": kind, "title": "Fitted on other items", "status": 409, "detail": detail, "errors": []}
            route.fulfill(status=409, content_type="application/problem+json", json=problem)

    studio.provoked = True
    studio.page.route("**/swap", answer)
    studio.open("live")
    for meant in ("Leave it", "Swap it in all the same"):
        studio.page.get_by_label("Run to swap into sasrec").select_option("popularity")
        studio.page.get_by_role("button", name="Swap in…").first.click()
        studio.page.get_by_role("dialog").get_by_role("button", name="Swap it in").click()
        dialog = studio.page.get_by_role("dialog")
        expect(dialog).to_contain_text("40 items against 44")
        dialog.get_by_role("button", name=meant).click()
    expect(studio.page.locator("main").get_by_text("sasrec answers with popularity")).to_be_visible()
    first, again = {"run": "popularity"}, {"run": "popularity", "other_catalog": True}
    assert asked == [first, first, again]


def test_traffic_is_counted_while_one_looks(studio: Studio, server: StudioServer) -> None:
    studio.open("live")
    for _ in range(5):
        ask(server, "/recommend", {"user_id": "u01"})
    tile = studio.page.locator(".tile").filter(has_text="half answered within")
    expect(tile.locator("dd")).to_contain_text("ms", timeout=15_000)
    studio.page.get_by_text("By route, since the service began").click()
    expect(studio.page.get_by_role("row").filter(has_text="/recommend")).to_be_visible()
    studio.page.get_by_role("button", name="Pause").click()
    expect(studio.page.get_by_role("button", name="Go on")).to_have_attribute("aria-pressed", "true")


def test_text_from_data_stays_text(studio: Studio, server: StudioServer) -> None:
    title = "<img src=x onerror=alert(1)><b>bold</b>"
    studio.open("live")
    studio.page.get_by_label("Id", exact=True).fill("odd-one")
    studio.page.get_by_label("Title", exact=True).fill(title)
    studio.page.get_by_role("button", name="Add item").click()
    expect(studio.page.get_by_text("sasrec cannot:")).to_be_visible()
    assert ask(server, "/items/odd-one")["title"] == title
    studio.page.get_by_label("Find", exact=True).fill("odd-one")
    expect(studio.page.locator(".catalog-title").first).to_contain_text(title)
    assert studio.page.locator("main img").count() == 0


def test_the_keys_alone_are_enough(studio: Studio) -> None:
    studio.open("runs")
    page = studio.page
    page.keyboard.press("Tab")
    expect(page.locator("#skip")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_label("Filter")).to_be_focused()
    while page.evaluate("() => document.activeElement.textContent") != "Users":
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.keyboard.press("Tab")
    field = page.get_by_role("combobox", name="User")
    expect(field).to_be_focused()
    page.keyboard.type("u05")
    first = page.locator(".suggestions [role=option]").first
    expect(first).to_have_text("u05")
    page.keyboard.press("ArrowDown")
    assert field.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.press("Enter")
    studio.settle()
    expect(page.get_by_role("heading", name="u05", level=1)).to_be_focused()
    region = page.get_by_role("region", name="Recommended by sasrec")
    region.get_by_role("button").first.focus()
    page.keyboard.press("ArrowDown")
    expect(region.get_by_role("button").nth(1)).to_be_focused()
    page.keyboard.press("End")
    expect(region.get_by_role("button").last).to_be_focused()


def test_the_tab_key_walks_through_a_whole_page_and_out_of_it(studio: Studio) -> None:
    studio.open("user/u01")
    stops = studio.page.evaluate(
        "() => [...document.querySelectorAll('a, button, input, select, summary, [tabindex=\"0\"]')]"
        ".filter((node) => !node.disabled && node.checkVisibility()).length"
    )
    seen = []
    for _ in range(stops + 3):
        studio.page.keyboard.press("Tab")
        seen.append(studio.page.evaluate("() => document.activeElement.outerHTML.slice(0, 200)"))
    assert any("odd" not in one and "sources" not in one and "/systems" in one for one in seen), "the end is reached"
    assert len(set(seen)) > stops // 2


@pytest.mark.parametrize("studio", [{"viewport": {"width": 320, "height": 640}, "is_mobile": True}], indirect=True)
@pytest.mark.parametrize("address", PAGES)
def test_a_phone_needs_no_sideways_scrolling(studio: Studio, address: str) -> None:
    studio.open(address)
    wide = studio.page.evaluate("() => [document.documentElement.scrollWidth, window.innerWidth]")
    assert wide[0] <= wide[1] == 320


@pytest.mark.parametrize(
    "studio", [{"color_scheme": "light"}, {"color_scheme": "dark"}], indirect=True, ids=["light", "dark"]
)
@pytest.mark.parametrize("address", PAGES)
def test_words_stand_out_from_their_ground(studio: Studio, address: str) -> None:
    studio.open(address)
    assert studio.page.evaluate(FAINT) == []


@pytest.mark.parametrize("address", PAGES)
def test_everything_that_can_be_used_has_a_name(studio: Studio, address: str) -> None:
    studio.open(address)
    assert studio.page.evaluate(NAMELESS) == []
    assert studio.page.locator("h1").count() == 1
    assert studio.page.locator("footer a[type='application/json']").count() >= 1


@pytest.mark.parametrize("studio", [{"color_scheme": "dark"}], indirect=True)
def test_the_scheme_follows_the_system_until_somebody_chooses(studio: Studio) -> None:
    def ground() -> str:
        return str(studio.page.evaluate("() => getComputedStyle(document.body).backgroundColor"))

    studio.open("runs")
    assert ground() == "rgb(20, 24, 26)"
    studio.page.get_by_role("radio", name="Light").check()
    assert ground() == "rgb(251, 250, 247)"
    studio.page.reload()
    studio.settle()
    assert ground() == "rgb(251, 250, 247)"
    studio.page.get_by_role("radio", name="Auto").check()
    assert ground() == "rgb(20, 24, 26)"


def test_a_failing_question_leaves_the_rest_of_the_page(studio: Studio) -> None:
    studio.provoked = True
    answer = {"type": "urn:segue:problem:store-away", "title": "Not available at the moment", "status": 503,
              "detail": "The memory is away.", "errors": []}  # fmt: skip

    def fail(route: Route) -> None:
        route.fulfill(status=503, content_type="application/problem+json", body=json.dumps(answer))

    studio.page.route("**/users/u01*", fail)
    studio.open("user/u01")
    problem = studio.page.get_by_role("alert")
    expect(problem).to_contain_text("Not available at the moment")
    expect(problem).to_contain_text("The memory is away.")
    assert len(studio.list_of("sasrec")) == 10
    studio.page.unroute("**/users/u01*")
    problem.get_by_role("button", name="Try again").click()
    expect(studio.page.locator(".events li").first).to_be_visible()


def test_while_systems_are_being_loaded_the_page_waits(studio: Studio) -> None:
    studio.provoked = True
    answer = {"type": "urn:segue:problem:loading", "title": "Not available at the moment", "status": 503,
              "detail": "The systems are being loaded.", "errors": []}  # fmt: skip
    asked = []

    def load(route: Route) -> None:
        asked.append(route.request.url)
        if len(asked) < 3:
            route.fulfill(status=503, headers={"Retry-After": "0"}, json=answer)
        else:
            route.continue_()

    studio.page.route("**/systems", load)
    studio.open("user/u01")
    assert len(studio.list_of("sasrec")) == 10
    assert len(asked) == 3


def test_what_is_not_there_is_said_with_a_way_back(studio: Studio) -> None:
    studio.provoked = True
    studio.open("run/nothing")
    expect(studio.page.get_by_role("alert")).to_contain_text("There is no run 'nothing'")
    studio.open("nowhere")
    expect(studio.page.get_by_role("heading", name="No such page")).to_be_visible()
    studio.open("codes/sasrec")
    expect(studio.page.get_by_role("alert")).to_contain_text("gives items no codes")


def test_a_token_is_asked_for_once_and_kept_in_the_tab(browser: Browser, studio_shelf: Path, tmp_path: Path) -> None:
    token = "correct-horse-battery-staple"
    (tmp_path / "token").write_text(token)
    words = [
        studio_shelf / "sasrec",
        "--token-file",
        tmp_path / "token",
        "--store",
        f"sqlite:///{tmp_path / 'live.db'}",
    ]
    with StudioServer(words) as server:
        context = browser.new_context()
        tab = Studio(context.new_page(), server.url)
        tab.page.goto(f"{server.url}/studio/#/runs")
        box = tab.page.get_by_role("dialog", name="Token")
        box.get_by_label("Token").fill("not the right one")
        box.get_by_role("button", name="Continue").click()
        expect(box.get_by_text("did not accept")).to_be_visible()
        box.get_by_label("Token").fill(token)
        box.get_by_role("button", name="Continue").click()
        expect(tab.page.get_by_role("link", name="sasrec", exact=True)).to_be_visible()
        tab.open("user/u01")
        assert len(tab.list_of("sasrec")) == 10
        assert box.count() == 0
        assert tab.page.evaluate("() => [localStorage.length, document.cookie]") == [0, ""]
        with tab.page.expect_download() as saved:
            tab.page.locator("footer").get_by_role("link", name="/systems").click()
        assert json.loads(saved.value.path().read_text())["systems"][0]["name"] == "sasrec"
        context.close()
        assert [fault for fault in tab.faults if not REFUSED.search(fault)] == []
