"""Fitted systems behind HTTP, with what users did a moment ago taken into account, and pages to look at them."""
