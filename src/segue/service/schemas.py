"""What the service takes and gives, field by field; the OpenAPI document is made of this."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

MOST_EVENTS, MOST_HISTORY, MOST_CANDIDATES, MOST_ITEMS, MOST_K = 1000, 1000, 2000, 1000, 200
END_OF_TIME = 253_402_300_799
"""The last second of the year 9999."""
AHEAD = 86_400
"""Seconds that an event may lie ahead of the service's clock: a day, for clocks and zones that are set wrongly. An
event of next year would be the user's newest one until then."""
UNITS = ((1e17, "nanoseconds"), (1e14, "microseconds"), (1e11, "milliseconds"))
"""From where on a time that was meant as now must have been counted in something smaller than seconds."""


def _plain(text: str) -> str:
    """No zero byte, which databases refuse, and nothing that is not text."""
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise PydanticCustomError("plain_text", "expected plain text without zero bytes or lone surrogates")
    return text


def _seconds(time: Any) -> Any:
    """A time that is no number of seconds is told what it probably is."""
    if isinstance(time, str) and time.isascii() and time.isdigit() and len(time) <= 20:
        time = int(time)
    whole = isinstance(time, int) or (isinstance(time, float) and time % 1 == 0)
    if time is not None and (isinstance(time, bool) or not whole):
        raise PydanticCustomError("seconds", "expected whole Unix seconds, such as 1700000000")
    unit = next((name for least, name in UNITS if isinstance(time, int | float) and time >= least), None)
    if unit is not None:
        raise PydanticCustomError("seconds", "expected Unix seconds, and this seems to be {unit}", {"unit": unit})
    return time


Text = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_plain)]
Id = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
Name = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_plain)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Time = Annotated[int, Field(ge=0, le=END_OF_TIME), BeforeValidator(_seconds)]


def _has(body: Any, field: str) -> bool:
    """Whether a body, read or not yet read, has a field."""
    return field in body if isinstance(body, dict) else hasattr(body, field)


class _Body(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class _Answer(BaseModel):
    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)


class EventBody(_Body):
    """Something that a user did."""

    event_id: Id
    """Chosen by you; an id that was taken already changes nothing, so that a report may be repeated."""
    user_id: Id
    item_id: Id
    time: Time | None = None
    """Unix seconds, at most a day ahead of now; now unless given."""
    actions: dict[Name, Literal[0, 1]] = Field(default_factory=dict, max_length=50)
    """What was done, such as {"click": 1, "like": 0}; rankers read it."""


class EventsBody(_Body):
    """Several events, kept all or none."""

    events: list[EventBody] = Field(min_length=1, max_length=MOST_EVENTS)


Report = Annotated[
    Annotated[EventsBody, Tag("EventsBody")] | Annotated[EventBody, Tag("EventBody")],
    Discriminator(lambda body: "EventsBody" if _has(body, "events") else "EventBody"),
]
"""One event or several; whichever was meant is the one whose faults are named."""


class EventsAnswer(_Answer):
    """What was kept; it survives a killed service."""

    accepted: int
    """Events that were new."""
    duplicates: int
    """Events whose id was known."""
    unknown_items: list[str]
    """Items that no system knows; their events are kept, and count once the item is there."""
    note: str | None = None
    """What to look at; left out where there is nothing."""


class AnyOf(_Body):
    """Items whose column has one of these values; of lists such as categories, at least one of them."""

    column: Name
    any_of: tuple[Text, ...] = Field(min_length=1, max_length=100)


class Between(_Body):
    """Items whose column is a number within bounds."""

    column: Name
    at_least: Number | None = None
    at_most: Number | None = None

    @model_validator(mode="after")
    def _bounded(self) -> Between:
        if self.at_least is None and self.at_most is None:
            raise PydanticCustomError("bounds", "expected at_least, at_most, or both")
        return self


Filter = Annotated[
    Annotated[AnyOf, Tag("AnyOf")] | Annotated[Between, Tag("Between")],
    Discriminator(lambda body: "AnyOf" if _has(body, "any_of") else "Between"),
]
FORMS = frozenset({"EventsBody", "EventBody", "AnyOf", "Between"})
"""Names of forms that a part of a body may have; they are no fields."""


class _Asking(_Body):
    """Who asks: a user whose events the service has, or a history given on the spot."""

    user_id: Id | None = None
    """A user of the run's log, of the events that were reported, or somebody new."""
    history: list[Id] | None = Field(default=None, max_length=MOST_HISTORY)
    """Instead: item ids, oldest first."""
    system: Name | None = None
    """Who answers; whoever the traffic split names unless given."""

    @model_validator(mode="after")
    def _one_of_both(self) -> _Asking:
        if (self.user_id is None) == (self.history is None):
            raise PydanticCustomError("who_asks", "expected either user_id or history, and not both")
        return self


class RecommendBody(_Asking):
    """What should this user get?"""

    k: int = Field(default=10, ge=1, le=MOST_K)
    """How many items."""
    seen: bool = False
    """Whether items of the history may come again."""
    allow: list[Id] | None = Field(default=None, max_length=MOST_ITEMS)
    """Only these items."""
    deny: list[Id] | None = Field(default=None, max_length=MOST_ITEMS)
    """None of these items."""
    where: list[Filter] = Field(default_factory=list, max_length=10)
    """Only items of which all of this is true, by columns of the catalog."""


class RankBody(_Asking):
    """How likely is this user to act on these items?"""

    candidates: list[Id] = Field(min_length=1, max_length=MOST_CANDIDATES)
    by: Name | None = None
    """The action to sort by; the first that the system predicts unless given."""


class ExplainBody(_Asking):
    """Why this item?"""

    item_id: Id


class ItemBody(_Body):
    """An item for the catalog."""

    model_config = ConfigDict(frozen=True, extra="allow", use_attribute_docstrings=True)

    item_id: Id
    title: Text
    categories: list[Text] = Field(default_factory=list, max_length=100)
    description: Annotated[str, Field(max_length=20_000), AfterValidator(_plain)] | None = None
    brand: Text | None = None
    price: Number | None = None


class ItemsBody(_Body):
    """Items that have become available."""

    items: list[ItemBody] = Field(min_length=1, max_length=MOST_ITEMS)


class AvailabilityBody(_Body):
    """Whether an item may be recommended."""

    available: bool


class SwapBody(_Body):
    """The run that takes over."""

    run: Name
    """One of `GET /runs`."""
    other_catalog: bool = False
    """Whether it may have been fitted on other items than the run before it, as a later run on a longer log was."""


class ItemTitle(_Answer):
    """An item, for people."""

    item_id: str
    title: str


class Recommended(ItemTitle):
    """An item and its score, which compares items of one answer and no others."""

    score: float


class RecommendAnswer(_Answer):
    """What a user should get."""

    request_id: str
    system: str
    answered_by: Literal["model", "fallback"]
    """`fallback` where nothing is known of the user that the system could use."""
    user_id: str | None
    history: list[ItemTitle]
    """The newest events that the answer knew, newest last."""
    items: list[Recommended]
    stale: bool
    """True while the memory of events cannot be reached: newest events may be missing."""


class Judged(ItemTitle):
    """An item with the probability of each action."""

    probabilities: dict[str, float]


class RankAnswer(_Answer):
    """The candidates, the likeliest first."""

    request_id: str
    system: str
    user_id: str | None
    by: str
    history: list[ItemTitle]
    items: list[Judged]
    stale: bool


class CatalogItem(BaseModel):
    """An item with all that is known of it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    item_id: str
    title: str
    available: bool
    added: bool = Field(description="Whether it came while serving.")


class ItemsAnswer(_Answer):
    """A page of the catalog."""

    total: int
    items: list[CatalogItem]


class AddedAnswer(_Answer):
    """What became of new items."""

    added: list[str]
    """Those that nobody knew."""
    returned: list[str] = Field(default_factory=list)
    """Those that had been withdrawn, and may be recommended again."""
    unchanged: list[str] = Field(default_factory=list)
    """Those that were known and available; what was said of them now was not taken over."""
    recommendable: dict[str, list[str]]
    """By system: which of them it can recommend."""
    not_recommendable: dict[str, dict[str, str]]
    """By system and item: why it cannot."""


class UsersAnswer(_Answer):
    """Ids of users."""

    users: list[str]


class PastEvent(ItemTitle):
    """An event of a user."""

    time: int | None
    live: bool
    """Whether it was reported to the service, and is not of the run's log."""
    actions: dict[str, int]


class UserAnswer(_Answer):
    """What a user did, newest first."""

    user_id: str
    total: int
    events: list[PastEvent]
    stale: bool


class SystemNote(_Answer):
    """A system that answers."""

    name: str
    run: str
    system: str
    form: Literal["scores", "codes", "words", "ranks", "pipeline"]
    share: float
    """Of the traffic that names no system."""
    paper: str
    fitted: str | None
    """When, as an ISO date."""
    items: int
    tasks: list[str]
    """Actions whose probability it knows."""
    fallback: str


class SystemsAnswer(_Answer):
    """All systems that answer."""

    systems: list[SystemNote]


class SwapAnswer(_Answer):
    """One run took over from another."""

    name: str
    before: str
    now: str
    seconds: float


class HealthAnswer(_Answer):
    """The process answers."""

    status: Literal["ok"]
    version: str


class ReadyAnswer(_Answer):
    """Whether requests can be answered, and what is missing."""

    ready: bool
    checks: dict[str, Any]
