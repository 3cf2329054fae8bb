"""One loop, and what it needs: optimiser, precision, checkpoints, processes, trackers."""
