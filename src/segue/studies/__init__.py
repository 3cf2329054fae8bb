"""Studies of systems: each takes recommenders and a dataset, and says something about them."""
