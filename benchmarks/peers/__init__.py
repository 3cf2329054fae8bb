"""One script a peer and a question, each run by that peer's own interpreter."""
