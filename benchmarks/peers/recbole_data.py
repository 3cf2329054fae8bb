"""RecBole loading a CSV log: seconds to read it and filter it to the 20-core.

`--sequences` adds its sequences and split, which at 20 million rows do not fit in 24 GiB.
"""

import time

from recbole.data import create_dataset, data_preparation

from benchmarks.measuring import arguments, begin, report
from benchmarks.peers.recbole_files import PACKAGES, configuration, copy_csv, workplace


def main() -> None:
    parser = arguments(__doc__ or "")
    parser.add_argument("--core", type=int, default=20, help="fewest interactions of a user and of an item")
    parser.add_argument("--sequences", action="store_true")
    given = begin(parser)
    with workplace() as folder:
        copy_csv(given.log, folder)  # a rename of the header; not timed
        start = time.perf_counter()
        interval = f"[{given.core},inf)"
        config = configuration(folder, user_inter_num_interval=interval, item_inter_num_interval=interval)
        dataset = create_dataset(config)
        loaded = time.perf_counter() - start
        counts = {"rows": dataset.inter_num, "users": dataset.user_num - 1, "items": dataset.item_num - 1}
        if given.sequences:
            data_preparation(config, dataset)
        whole = time.perf_counter() - start
    what = f"CSV to {given.core}-core, {'sequences and split' if given.sequences else 'no sequences'}"
    report(given, "recbole_data", what, round(whole, 2), "s", PACKAGES, load_seconds=round(loaded, 2), **counts)


if __name__ == "__main__":
    main()
