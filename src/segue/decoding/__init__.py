"""From a model and histories to a ranking."""
