"""From a log as it lies on a disk to a dataset: read, prepare, cut, look for faults."""
