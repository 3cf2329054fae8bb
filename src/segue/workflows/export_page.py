"""The README of an export: what lies there, what goes in and what comes out, and a program that runs as it stands."""

from __future__ import annotations

from collections.abc import Sequence

from segue.export.graph import Graph, Port

_LOADED = {
    "torch": (
        "import torch",
        'model = torch.export.load("model.pt2").module()\n'
        "answers = [found.detach().numpy() for found in model(*(torch.from_numpy(inputs[name]) for name in inputs))]",
    ),
    "onnx": (
        "import onnxruntime",
        'session = onnxruntime.InferenceSession("model.onnx")\n'
        "answers = session.run(None, {port.name: inputs[port.name] for port in session.get_inputs()})",
    ),
}
_NEEDED = {"torch": "torch and numpy", "onnx": "onnxruntime and numpy"}
_NAMES = {"torch": "model.pt2", "onnx": "model.onnx"}
_OF_FORM = {
    "scores": (
        "scores = answers[-1]",
        "for user, history in enumerate(histories):",
        "    scores[user, history] = -np.inf  # what was taken already",
        "    print([ids[item] for item in np.argsort(-scores[user])[:5]])",
    ),
    "items": ("for found in answers[0]:", "    print([ids[item] for item in found if item >= 0])"),
    "probabilities": (
        "for user, chances in enumerate(answers[0]):",
        "    judged = zip(inputs['candidates'][user], chances)",
        "    print({ids[item]: round(float(chance[0]), 4) for item, chance in judged})",
    ),
}
_FEEDS = {
    "timestamps": 'inputs["timestamps"] = 1_700_000_000 + 3600 * np.arange(width) + 0 * items  # yours come here',
    "asked_at": 'inputs["asked_at"] = inputs["timestamps"].max(axis=1) + 60',
    "user": 'inputs["user"] = np.full(len(histories), -1)',
    "candidates": 'inputs["candidates"] = np.array([[0, 1, 2], [2, 1, 0]])',
}


def page(graph: Graph, formats: Sequence[str], system: str) -> str:
    """The text of the README."""
    parts = [
        f"# {system}, exported\n\nWhat a fitted run of Segue computes, in files that need no Segue to run.\n",
        _files(formats),
        "Rows of histories are as long as the longest and filled up on the right; `lengths` says what counts. "
        + (
            "All events count.\n"
            if graph.window is None
            else f"The newest {graph.window} events count at most; older ones may be given and change nothing.\n"
        ),
        f"## In\n\n{_table(graph.inputs)}\n## Out\n\n{_table(graph.outputs)}",
        "`items.json` has the ids of the items: its first is row 0. `export.json` says all this to a program, with the "
        "largest difference from the run on some of its own histories.\n",
    ]
    parts += [
        f"## With {_NEEDED[name]}\n\nRun it in this folder.\n\n```python\n{program(graph, name)}\n```\n"
        for name in formats
    ]
    return "\n".join(parts)


def program(graph: Graph, name: str) -> str:
    """A program in one format that asks for two users."""
    imported, loaded = _LOADED[name]
    lines = [
        "import json",
        "import numpy as np",
        imported,
        "",
        'ids = json.load(open("items.json"))',
        "histories = [[0, 1, 2], [2]]  # rows of items, oldest first",
        "width = max(map(len, histories))",
        "items = np.array([history + [0] * (width - len(history)) for history in histories])",
        'inputs = {"items": items, "lengths": np.array([len(history) for history in histories])}',
        *(_feed(port) for port in graph.inputs[2:]),
        loaded,
        *_OF_FORM[graph.form],
    ]
    return "\n".join(lines)


def _feed(port: Port) -> str:
    if port.name in _FEEDS:
        return _FEEDS[port.name]
    if port.name == "allowed":
        return (
            f'inputs["allowed"] = np.ones((len(histories), {port.shape[1]}), dtype=bool)\n'
            "for user, history in enumerate(histories):\n"
            '    inputs["allowed"][user, history] = False  # what was taken already'
        )
    sizes = {"users": "len(histories)", "length": "width", "candidates": "3"}
    shape = ", ".join(sizes[size] if isinstance(size, str) else str(size) for size in port.shape)
    return f'inputs["{port.name}"] = np.zeros(({shape},), dtype="{port.dtype}")'


def _files(formats: Sequence[str]) -> str:
    said = {"torch": "a program of torch (`torch.export`)", "onnx": "the same as an ONNX graph"}
    return "\n".join(f"- `{_NAMES[name]}`: {said[name]}" for name in formats) + (
        "\n- `items.json`, `catalog.parquet`: the items in the order of the rows\n- `export.json`: what the files are\n"
    )


def _table(ports: Sequence[Port]) -> str:
    rows = [
        f"| `{port.name}` | {port.dtype} | {' x '.join(map(str, port.shape))} | {port.meaning} |\n" for port in ports
    ]
    return "| name | type | shape | meaning |\n| --- | --- | --- | --- |\n" + "".join(rows)
