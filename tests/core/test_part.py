"""Parts: chosen by a word, changed by a path, refused with a hint."""

from typing import ClassVar

import pytest
from pydantic import Field, PositiveFloat, PositiveInt, ValidationError

from segue.core.errors import SettingsError
from segue.core.part import Part


class Outline(Part):
    abstract: ClassVar[bool] = True


class Circle(Outline):
    radius: PositiveFloat = 1.0
    thickness: PositiveInt = 1


class RoundedSquare(Outline):
    side: PositiveInt = 2


class Star(Outline):
    points: PositiveInt
    fill: str


class Drawing(Part):
    outline: Outline = Circle()
    title: str = "untitled"
    shade: float = Field(default=0.5, ge=0, le=1)


def test_a_kind_is_the_class_name_in_snake_case() -> None:
    assert RoundedSquare.kind() == "rounded_square"


def test_interfaces_are_not_among_the_kinds() -> None:
    assert Outline.kinds() == {"circle": Circle, "rounded_square": RoundedSquare, "star": Star}


def test_a_bare_word_is_the_kind_with_its_defaults() -> None:
    assert Drawing.parse({"outline": "rounded_square"}) == Drawing(outline=RoundedSquare())


def test_a_mapping_with_kind_chooses_the_class() -> None:
    assert Drawing.parse({"outline": {"kind": "circle", "radius": 2}}).outline == Circle(radius=2.0)


def test_dump_and_parse_are_inverse() -> None:
    drawing = Drawing(outline=RoundedSquare(side=7), title="house")
    assert drawing.dump() == {
        "kind": "drawing",
        "outline": {"kind": "rounded_square", "side": 7},
        "title": "house",
        "shade": 0.5,
    }
    assert Drawing.parse(drawing.dump()) == drawing


def test_an_unknown_kind_names_its_neighbour() -> None:
    with pytest.raises(SettingsError, match=r"outline: unknown Outline 'circel'; did you mean 'circle'\?"):
        Drawing.parse({"outline": "circel"})


def test_a_kind_of_another_family_is_refused() -> None:
    with pytest.raises(SettingsError, match="'drawing' is not a Outline; choose one of: circle, rounded_square"):
        Drawing.parse({"outline": "drawing"})


def test_a_kind_that_is_no_word_is_refused() -> None:
    with pytest.raises(SettingsError, match="unknown Outline '3'"):
        Drawing.parse({"outline": {"kind": 3}})


def test_changed_by_dotted_path() -> None:
    before = Drawing()
    after = before.changed({"outline.radius": 3, "title": "moon"})
    assert after == Drawing(outline=Circle(radius=3.0), title="moon")
    assert before == Drawing()


def test_changed_by_bare_word() -> None:
    assert Drawing().changed({"outline": "rounded_square"}).outline == RoundedSquare()


def test_changed_by_mapping_without_kind_keeps_the_other_fields() -> None:
    drawing = Drawing(outline=Circle(radius=5.0, thickness=3))
    assert drawing.changed({"outline": {"radius": 2.5}}).outline == Circle(radius=2.5, thickness=3)


def test_changed_by_mapping_with_kind_starts_from_the_defaults() -> None:
    drawing = Drawing(outline=Circle(radius=5.0, thickness=3))
    assert drawing.changed({"outline": {"kind": "circle", "radius": 2}}).outline == Circle(radius=2.0)


def test_a_kind_and_what_it_cannot_do_without_may_come_in_any_order() -> None:
    star = Drawing(outline=Star(points=5, fill="red"))
    assert Drawing().changed({"outline.points": 5, "outline": "star", "outline.fill": "red"}) == star
    assert Drawing().changed({"outline": {"kind": "star", "points": 5, "fill": "red"}, "title": "untitled"}) == star


def test_a_new_kind_takes_over_what_it_requires_from_the_one_before() -> None:
    class Moon(Outline):
        fill: str
        points: PositiveInt = 2

    drawing = Drawing(outline=Star(points=5, fill="red")).changed({"outline": "moon"})
    assert drawing.outline == Moon(fill="red", points=2), "points has a default, and keeps it"
    with pytest.raises(SettingsError, match=r"outline.points: Field required"):
        Drawing().changed({"outline": {"kind": "star", "fill": "red"}})


def test_changed_by_a_part() -> None:
    assert Drawing().changed({"outline": RoundedSquare(side=9)}).outline == RoundedSquare(side=9)


def test_an_unknown_setting_names_its_neighbour_and_its_path() -> None:
    with pytest.raises(SettingsError, match=r"outline\.radios: there is no such setting; did you mean 'radius'\?"):
        Drawing().changed({"outline.radios": 2})


def test_a_path_into_a_plain_value_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"title\.size: 'title' is not a part"):
        Drawing().changed({"title.size": 2})


def test_a_path_through_a_misspelt_part_names_its_neighbour() -> None:
    with pytest.raises(SettingsError, match="Did you mean 'outline'"):
        Drawing().changed({"outlin.radius": 2})


def test_a_value_out_of_range_names_the_path_and_what_came() -> None:
    with pytest.raises(SettingsError, match=r"outline\.radius: Input should be greater than 0 \(came: -1\)"):
        Drawing().changed({"outline.radius": -1})
    with pytest.raises(SettingsError, match=r"shade: .*less than or equal to 1 \(came: 2\)"):
        Drawing().changed({"shade": 2})


def test_several_faults_are_several_lines() -> None:
    with pytest.raises(SettingsError) as caught:
        Drawing().changed({"outline.radius": -1, "shade": 2})
    assert len(str(caught.value).splitlines()) == 2


def test_a_part_is_frozen() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Circle().radius = 2.0  # type: ignore[misc]


def test_a_hint_is_never_the_word_itself() -> None:
    with pytest.raises(SettingsError, match=r"side: there is no such setting(?!; did you mean 'side')"):
        Circle().changed({"side": 2})
