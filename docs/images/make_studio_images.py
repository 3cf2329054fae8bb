"""Pictures of the studio for the README: fits four systems on the simulated world, serves them, and looks at the pages.

    python docs/images/make_studio_images.py [--runs runs/studio]

Runs that are there already are not fitted again; from nothing it takes some five minutes on two cores. It needs
`segue[serve]`, `playwright` and a Chromium of the system (Debian: apt-get install chromium).
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

HERE = Path(__file__).resolve().parent
SEGUE = [sys.executable, "-m", "segue.cli.main"]
SYSTEMS = {
    "sasrec": ["sasrec_world"],
    "tiger": ["tiger_world"],
    "item_knn": ["item_knn", "--data", "world"],
    "popularity": ["popularity", "--data", "world"],
}
SERVED = ("sasrec", "tiger", "item_knn")
DESK, TALL, PHONE = ({"width": width, "height": height} for width, height in ((1280, 860), (1280, 1080), (360, 740)))
SUFFIX = {"light": "", "dark": "-dark"}
USER, ADDED = "u0012", "roast"
"""Whose page is shown, and the words of the item that they take."""


def main() -> None:
    """Fit what is missing, then write `studio-*.png` beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/studio"), help="Where the runs are, or shall be.")
    folder = parser.parse_args().runs
    for name, words in SYSTEMS.items():
        if not (folder / name / "weights.safetensors").exists():
            subprocess.run([*SEGUE, "fit", *words, "--out", str(folder / name)], check=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            with served(folder) as url:
                shoot(browser, url, scheme)
        browser.close()


def chromium() -> str:
    """The browser of the system."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        sys.exit("There is no Chromium here; on Debian: apt-get install chromium")
    return found


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The service with a memory that is forgotten afterwards; gives its address."""
    with tempfile.TemporaryDirectory() as memory:
        words = [str(folder / name) for name in SERVED]
        words += [
            "--traffic",
            "sasrec=0.8,tiger=0.2",
            "--shelf",
            str(folder),
            "--ledger",
            str(HERE.parents[1] / "ledger"),
        ]
        words += ["--store", f"sqlite:///{memory}/live.sqlite", "--port", "0"]
        process = subprocess.Popen(
            [*SEGUE, "serve", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            assert process.stdout is not None
            said = next((line for line in process.stdout if "studio:" in line), None)
            address = re.search(r"studio: (http://\S+)/studio/", said or "")
            if address is None:
                sys.exit("The service did not start; what it said stands above.")
            yield address[1]
        finally:
            process.terminate()
            process.communicate()


def shoot(browser: Browser, url: str, scheme: str) -> None:
    """All pictures of one scheme."""

    def tab(size: dict[str, int], address: str) -> Page:
        context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        page = context.new_page()
        page.goto(f"{url}/studio/#/{address}")
        settle(page)
        return page

    def save(page: Page, name: str) -> None:
        page.screenshot(path=HERE / f"studio-{name}{SUFFIX[scheme]}.png")
        page.context.close()

    save(tab(DESK, "runs"), "runs")
    save(tab(TALL, "compare?run=sasrec&run=tiger&run=item_knn&run=popularity"), "compare")
    save(tab(DESK, "codes/tiger"), "codes")
    save(tab(PHONE, f"user/{USER}"), "phone")
    page = tab(DESK, f"user/{USER}")
    page.get_by_role("region", name="Recommended by tiger").get_by_role("button").first.click()
    expect(page.locator(".steps li").first).to_be_visible()
    save(page, "why")
    page = tab(DESK, f"user/{USER}")
    add_event(page)
    save(page, "user")


def settle(page: Page) -> None:
    """Wait until all content has come."""
    expect(page.locator("main h1").first).to_be_visible()
    expect(page.locator("[aria-busy]")).to_have_count(0, timeout=60_000)


def add_event(page: Page) -> None:
    """Let the user take an item, and wait for the new lists."""
    field = page.get_by_role("combobox", name="Add an event", exact=True)
    field.fill(ADDED)
    expect(page.locator(".suggestions [role=option]").first).to_be_visible()
    field.press("ArrowDown")
    field.press("Enter")
    page.keyboard.press("Enter")
    expect(page.locator(".move").first).to_be_visible(timeout=30_000)
    settle(page)


if __name__ == "__main__":
    main()
