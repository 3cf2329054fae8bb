"""Which items are written beside the positive."""
