"""What the items of a simulated world are called: categories with their words, brands, and a word for each item."""

from __future__ import annotations

import numpy as np

from segue.core.shapes import Int

DEPARTMENTS: dict[str, dict[str, str]] = {
    "Outdoors": {
        "Hiking": "trail boot ridge pack pole map",
        "Cycling": "road wheel chain saddle gravel bell",
        "Climbing": "rope chalk ledge harness grip wall",
        "Water sports": "paddle wave kayak board reef sail",
    },
    "Home": {
        "Kitchen": "copper pan kettle knife board oven",
        "Garden": "seed trowel planter hose soil hedge",
        "Lighting": "lamp lantern shade bulb glow dimmer",
        "Furniture": "oak shelf chair desk stool bench",
    },
    "Electronics": {
        "Audio": "speaker headphone vinyl amp tuner bass",
        "Photography": "lens tripod shutter filter film flash",
        "Computers": "keyboard monitor cable laptop dock mouse",
        "Smart home": "sensor hub thermostat switch camera plug",
    },
    "Books": {
        "Mystery": "clue detective shadow alibi cipher case",
        "Science": "atom galaxy gene theory fossil quantum",
        "History": "empire letters castle voyage revolt crown",
        "Poetry": "verse sonnet winter elegy meadow ink",
    },
    "Food": {
        "Coffee": "espresso roast bean filter arabica cup",
        "Tea": "oolong leaf jasmine brew mint steep",
        "Chocolate": "cocoa truffle praline dark hazelnut bar",
        "Spices": "saffron pepper cumin chili curry anise",
    },
    "Play": {
        "Board games": "dice meeple strategy tile quest card",
        "Puzzles": "jigsaw cube maze riddle brain knot",
        "Model building": "glue railway plane scale paint hull",
        "Music making": "guitar string drum synth pick reed",
    },
}

_ONSETS = ("b", "br", "d", "dr", "f", "g", "k", "l", "m", "n", "p", "r", "s", "st", "t", "tr", "v", "z")
_VOWELS = ("a", "e", "i", "o", "u")
_STRIDE = 4_099
"""A prime that does not divide the number of words of two syllables, so that stepping by it meets each of them once."""


def categories(count: int) -> list[tuple[str, str, list[str]]]:
    """Department, name and words of each category; beyond the known ones names repeat with a number."""
    known = [
        (department, name, words.split()) for department, names in DEPARTMENTS.items() for name, words in names.items()
    ]
    # one of each department first, so that a small world is as varied as a large one
    known = [known[4 * department + place] for place in range(4) for department in range(len(DEPARTMENTS))]
    rounds = [(known[i % len(known)], i // len(known)) for i in range(count)]
    return [(department, f"{name} {n + 1}" if n else name, words) for (department, name, words), n in rounds]


def own_word(number: int) -> str:
    """A pronounceable word of at least two syllables, a different one for every number."""
    syllables = len(_ONSETS) * len(_VOWELS)
    if number < syllables**2:
        number = number * _STRIDE % syllables**2  # neighbours should not sound alike
    parts: list[str] = []
    while number or len(parts) < 2:
        number, syllable = divmod(number, syllables)
        onset, vowel = divmod(syllable, len(_VOWELS))
        parts.append(_ONSETS[onset] + _VOWELS[vowel])
    return "".join(parts).capitalize()


def titles(
    category: Int[np.ndarray, " items"], names: list[tuple[str, str, list[str]]], rng: np.random.Generator
) -> list[str]:
    """The item's own word, then two different words of its category."""
    first = rng.integers(0, 6, len(category))
    second = (first + rng.integers(1, 6, len(category))) % 6
    return [
        f"{own_word(item)} {names[kind][2][one]} {names[kind][2][two]}"
        for item, (kind, one, two) in enumerate(zip(category.tolist(), first.tolist(), second.tolist(), strict=True))
    ]
