"""RecBole's view of a log: the file it reads, and the configuration of the comparison."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from recbole.config import Config

PACKAGES = ["recbole", "torch", "numpy", "pandas"]
HEADER = "user_id:token,item_id:token,timestamp:float\n"


@contextmanager
def workplace() -> Iterator[Path]:
    """A scratch folder as current directory: RecBole writes logs and checkpoints wherever it runs."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(prefix="recbole-") as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


def copy_csv(csv: Path, folder: Path) -> None:
    """The CSV under the name and with the typed header that RecBole asks for."""
    (folder / "log").mkdir()
    with csv.open("rb") as source, (folder / "log" / "log.inter").open("wb") as target:
        source.readline()
        target.write(HEADER.encode())
        shutil.copyfileobj(source, target, 2**22)


def configuration(folder: Path, model: str = "SASRec", **settings: Any) -> Config:
    """RecBole's defaults, on the CPU, leave-one-out in time order, full ranking; `settings` override."""
    sys.argv = sys.argv[:1]  # Config reads the command line too, and would take our arguments for its own
    return Config(
        model=model,
        dataset="log",
        config_dict={
            "data_path": str(folder),
            "field_separator": ",",
            "load_col": {"inter": ["user_id", "item_id", "timestamp"]},
            "train_neg_sample_args": None,
            "eval_args": {
                "split": {"LS": "valid_and_test"}, "order": "TO", "group_by": "user", "mode": "full",
            },
            "metrics": ["Recall", "NDCG"],
            "topk": [5, 10, 20],
            "use_gpu": False,
            "show_progress": False,
            **settings,
        },
    )  # fmt: skip
