"""Many random files, whole and damaged, by Segue and by the simple reader: `python -m data.door.mutate --count 10000`.

Run it with `tests` and `src` on PYTHONPATH. Each file is made from its own number, so `--only NUMBER` makes that one
again and shows it. Prints how many were read, refused, read differently, and how many ended in another exception.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from random import Random

from data.door.samples import FORMS, Sample, sample, spoilt
from data.door.segue_reader import Histories, Refusal, read_with_segue
from data.door.simple_reader import Right, right_of


def made(number: int, seed: int, form: str | None = None) -> Sample:
    """The file of this number: of every four one is whole."""
    rng = Random(f"{seed}-{number}")
    whole = sample(rng, form)
    return whole if number % 4 == 0 else spoilt(rng, whole)


def compared(file: Sample, folder: Path) -> tuple[str, Right, Histories | Refusal | BaseException]:
    """What became of a file, in a word, and what was right and what was found."""
    path = folder / file.name
    path.write_bytes(file.content)
    right = right_of(path, file.separator)
    try:
        found = read_with_segue(path, folder / "out")
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of a library is no Exception
        return "crashed", right, error
    if file.packed and file.whole is not None:
        # Damage to packed bytes may be seen by one reader only. Where the simple one sees none, the other still may;
        # where it cannot read at all, nothing is left to compare with but what was there before, of gzip.
        path.write_bytes(file.whole)
        if right.readings:
            right = right.or_refused()
        else:
            right = (
                right.or_anything() if file.name.endswith(".parquet") else right.or_as(right_of(path, file.separator))
            )
    path.unlink()
    if not right.allows(found):
        if isinstance(found, Refusal):
            return "refused without need", right, found
        return ("read differently" if right.readings else "taken without right"), right, found
    if isinstance(found, Refusal):
        return "refused", right, found
    return ("read, nothing to compare with" if right.anything else "read alike"), right, found


def main() -> int:
    """As many files as asked for; the exit code says whether all went well."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=1000)
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--form", choices=FORMS)
    arguments.add_argument("--only", type=int, help="the number of one file, which is shown")
    asked = arguments.parse_args()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(asked.count) if asked.only is None else [asked.only]:
            file = made(number, asked.seed, asked.form)
            word, right, found = compared(file, Path(folder))
            counts[word] += 1
            if word not in ("read alike", "refused", "read, nothing to compare with") or asked.only is not None:
                print(f"{number}: {file.name} {word}: {_short(found)}", flush=True)
            if asked.only is not None:
                print(file.content[:3000].decode(errors="replace"), "\nright:", str(right)[:3000])
                if isinstance(found, BaseException):
                    traceback.print_exception(found)
    for word, count in sorted(counts.items()):
        print(f"{count:7,} {word}")
    return int(
        any(counts[word] for word in ("crashed", "refused without need", "taken without right", "read differently"))
    )


def _short(found: Histories | Refusal | BaseException) -> str:
    return (f"{type(found).__name__}: {found}" if isinstance(found, BaseException) else str(found))[:300]


if __name__ == "__main__":
    sys.exit(main())
