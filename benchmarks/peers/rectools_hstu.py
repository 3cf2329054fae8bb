"""RecTools' HSTU, the one packaged HSTU there is: sequences trained per second at Meta's public ML-1M setting.

200 items, 50 wide, 2 layers, 1 head, relative times and positions, 128 sampled negatives, temperature 0.05.
"""

from rectools.models import HSTUModel

from benchmarks.measuring import begin, leave_two_out, read_log
from benchmarks.peers.rectools_sasrec import measure_quality, measure_rate, trainer_with_clock, training_arguments


def main() -> None:
    given = begin(training_arguments(__doc__ or ""))
    train, targets = leave_two_out(read_log(given.log))
    model = HSTUModel(
        n_blocks=2, n_heads=1, n_factors=50, session_max_len=200, batch_size=128, lr=1e-3, dropout_rate=0.2,
        loss="sampled_softmax", n_negatives=128, lightning_module_kwargs={"logits_t": 0.05},
        recommend_torch_device="cpu", get_trainer_func=trainer_with_clock(given.batches),
    )  # fmt: skip
    settings = {"width": 50, "blocks": 2, "heads": 1, "length": 200, "batch": 128, "negatives": 128}
    if given.mode == "rate":
        measure_rate(given, "rectools_hstu", model, train, settings)
    else:
        measure_quality(given, "rectools_hstu", model, train, targets, settings)


if __name__ == "__main__":
    main()
