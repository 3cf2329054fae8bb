"""The verbs, as functions: fit, evaluate, recommend, compare, reproduce."""
