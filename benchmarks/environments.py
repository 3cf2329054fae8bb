"""One virtual environment per peer, from exact pins: `python benchmarks/environments.py [NAME ...]`.

The peers disagree about numpy, pandas and setuptools, so each lives alone under `.environments/NAME`.
torch is the same CPU build in all of them, or the comparison would be one of torch versions.

Meta's HSTU research code (meta-recsys/generative-recommenders) is not on the package registry: on 22 November 2026
neither `pip index versions` nor `pip download` found a package of that name. `meta_hstu` is therefore an environment
with torch only, in which `peers/meta_hstu.py` runs our own writing of the published step.
"""

import argparse
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ENVIRONMENTS = Path(__file__).parent / ".environments"

SHARED = ["torch==2.13.0", "polars==2.1.0"]
PINS = {
    "rectools": ["rectools[torch]==0.19.0"],
    # recbole 1.2.1 asks for ray 2.6.3, which needs pkg_resources and np.bool8; its own code needs pandas 2.
    "recbole": ["recbole==1.2.1", "setuptools<81", "numpy<2", "pandas<3"],
    "meta_hstu": ["numpy==2.4.6"],
    "faiss": ["faiss-cpu==1.15.1", "numpy==2.4.6"],
}
MODULES = {
    "rectools": "import rectools.models",
    "recbole": "import recbole.quick_start",
    "meta_hstu": "import numpy",
    "faiss": "import faiss",
}


def create(name: str) -> None:
    """Make the environment afresh, install its pins, and see that the peer and a CPU torch import.

    Raises:
        CalledProcessError: the installation or the import failed; the command's own output says why.
    """
    place = ENVIRONMENTS / name
    venv.create(place, clear=True, with_pip=True)
    python = place / "bin" / "python"
    subprocess.run([*installer(python), *SHARED, *PINS[name]], check=True)
    check = f"import polars, torch; {MODULES[name]}; assert torch.version.cuda is None, 'torch is a CUDA build'"
    subprocess.run([python, "-c", check], check=True)
    freeze = subprocess.run([python, "-m", "pip", "freeze"], check=True, capture_output=True, text=True).stdout
    (place / "freeze.txt").write_text(freeze)
    print(f"{name}: ready, {len(freeze.splitlines())} packages, listed in {place / 'freeze.txt'}")


def installer(python: Path) -> list[str]:
    """The install command: uv where it is at hand (ten times faster), otherwise the environment's own pip."""
    uv = shutil.which("uv")
    if uv is None:
        return [str(python), "-m", "pip", "install", "--quiet"]
    # uv does not read pip's settings, and would take the CUDA build of torch from the registry.
    return [uv, "pip", "install", "--quiet", "--python", str(python), *find_links()]


def find_links() -> list[str]:
    """The wheel folders in pip's settings, file or environment, as arguments; none when pip names none."""
    listing = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = [line.partition("=") for line in listing.splitlines() if ".find-links=" in line]
    folders = {folder for _, _, value in settings for folder in value.strip("'\"").split()}
    return [part for folder in sorted(folders) for part in ("--find-links", folder)]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", choices=[*PINS, []], metavar="NAME", help="which; all when none is named")
    for chosen in parser.parse_args().names or PINS:
        create(chosen)
