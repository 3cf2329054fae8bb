"""Which column is the user, the item, the time: by the names people give them, then by what is in them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from segue.core.errors import DataError
from segue.data.sources.suggest import nearest
from segue.data.sources.times import clock_of
from segue.data.sources.values import looks_like, numbers, present

# Names are compared without case, blanks and signs: 'User ID', 'user_id' and 'userId' are one. The first that is there
# wins, so a list goes from the name that can mean nothing else to the one that may.
USER = (
    "userid", "user", "uid", "useridx", "customerid", "custid", "customer", "customernumber", "customerno",
    "reviewerid",
        "visitorid", "fullvisitorid", "userpseudoid", "clientid", "memberid", "membershipid", "accountid", "personid",
    "profileid", "subscriberid", "shopperid", "buyerid", "consumerid", "viewerid", "listenerid", "readerid", "playerid",
    "studentid", "householdid", "deviceid", "cookieid", "anonymousid", "distinctid", "shopper", "buyer", "member",
    "visitor", "reviewer", "email", "customeremail", "username", "userguid", "useruuid",
    "kunde", "kundeid", "kundenid", "kundennr", "kundennummer", "nutzer", "nutzerid", "benutzer", "benutzerid",
    "client", "idclient", "utilisateur", "idutilisateur", "acheteur", "cliente", "idcliente", "usuario", "idusuario",
    "usuarioid", "clienteid", "utente", "idutente", "gebruiker", "gebruikerid", "klant", "klantid", "klantnummer",
    "klient", "uzytkownik", "kund", "kundnr", "bruger", "bruker", "kayttaja",
    "用户id", "用户", "ユーザーid", "пользователь", "sessionid", "session", "visitid",
)  # fmt: skip
ITEM = (
    "itemid", "item", "iid", "itemidx", "parentasin", "asin", "movieid", "videoid", "productid", "productsku", "sku",
    "itemsku", "lineitemsku", "skuid", "stockcode", "articleid", "goodsid", "businessid", "venueid", "trackid",
    "songid", "bookid", "newsid", "isbn", "gmapid", "animeid", "recipeid", "gameid", "appid", "courseid", "jobid",
    "hotelid", "restaurantid", "poiid", "placeid", "listingid", "offerid", "contentid", "postid", "adid", "artistid",
    "filmid", "showid", "podcastid", "storyid", "docid", "documentid", "variantid", "gtin", "ean", "upc", "productcode",
    "itemcode", "articlecode", "movie", "product", "video", "article", "song", "track", "book", "film", "game",
    "itemname", "productname", "lineitemname", "item_name",
    "artikel", "artikelid", "artikelnr", "artikelnummer", "produkt", "produktid", "produktnr", "produktnummer", "ware",
    "produit", "idproduit", "produitid", "idarticle", "reference", "producto", "idproducto", "productoid", "articulo",
    "idarticulo", "produto", "idproduto", "prodotto", "idprodotto", "articolo", "idarticolo", "vare", "varenummer",
    "商品id", "物品id", "商品", "アイテムid", "товар",
)  # fmt: skip
CLOCK = (
    "timestamp", "timems", "timestampms", "time", "ts", "unixreviewtime", "unixtime", "unixtimestamp", "utctime",
    "timestamputc", "eventtime", "eventtimestamp", "epoch", "epochms", "timesec", "timestampsec",
)  # fmt: skip
"""Names that can only be the time of the event."""
TIME = (
    "datetime", "date", "createdat", "reviewtime", "purchasedat", "purchasedate", "purchasetime", "orderedat",
    "orderdate", "ordertime", "ordertimestamp", "orderpurchasetimestamp", "invoicedate", "transactiondate",
    "transactiontime", "tdat", "eventdate", "eventdatetime", "processedat", "clickedat", "clicktime", "viewedat",
    "viewtime",
    "playedat", "listenedat", "watchedat", "ratedat", "ratingdate", "reviewdate", "visitdate",
    "visitstarttime", "visittime",
    "servertime", "localtime", "loggedat", "occurredat", "happenedat", "receivedat", "boughtat", "seenat",
    "creationdate", "createdate", "createtime", "createdtime", "createddate", "day", "when", "dt",
    "datum", "zeit", "zeitpunkt", "zeitstempel", "uhrzeit", "bestelldatum", "kaufdatum", "bestellzeit", "erstelltam",
    "horodatage", "datecommande", "dateachat", "dateheure", "heure", "fecha", "fechahora", "fechacompra", "fechapedido",
    "data", "dataora", "dataacquisto", "datahora", "tijd", "tijdstip", "besteldatum", "dato", "tid", "czas", "aika",
    "时间戳", "时间", "日期", "日時", "дата", "время",
)  # fmt: skip
RATING = (
    "rating", "overall", "stars", "starrating", "score", "rate", "ratings", "userrating",
    "bewertung", "sterne", "note", "puntuacion", "calificacion", "valoracion", "voto", "valutazione", "avaliacao",
    "beoordeling", "评分", "оценка",
)  # fmt: skip
_UNSURE = {*RATING} - {"rating", "ratings", "overall", "stars", "bewertung"}
"""Names of ratings that may be those of something else, which then has no numbers."""
ORDER = ("position", "order")
_NO_ID = re.compile(
    r"turn|utter|text|message|speaker|role|title|name|comment|review|descr|line$|row|index|count|quantity|qty|price|"
    r"amount|total|currency|order|invoice|transaction|basket|cart|dialog|conversation|session|request|impression|"
    r"split|fold|label|click|like|view|hate|purchase|rating|score|weight|value|age|gender|country|city|state|zip|lang|"
    r"device|browser|category|genre|brand|type|event|action|behavio|channel|url|ip$|lat|lon|month|year|hour|week"
)
"""What stands in the name of a column that is nobody's id."""
_INDEX = re.compile(r"(unnamed: ?\d+(\.\d+)*|__index_level_\d+__|level_0)?", re.IGNORECASE)

Why = dict[str, str]


@dataclass(frozen=True)
class Columns:
    """The names, in the file, of the columns that have a meaning of their own; None where there is none."""

    user: str
    item: str
    time: str | None = None
    rating: str | None = None
    order: str | None = None
    why: Why = field(default_factory=dict)
    """For each role how its column was found: asked for, by its name, or by what is in it."""


def plain(name: str) -> str:
    """A name without case, blanks and signs."""
    return re.sub(r"[\W_]+", "", name.casefold())


def is_index(name: str) -> bool:
    """Whether a column without a name is the row numbers that pandas writes beside a table."""
    return _INDEX.fullmatch(name.strip()) is not None


def is_known(name: str) -> bool:
    """Whether a name is one that people give to the columns of a log."""
    return plain(name) in {*USER, *ITEM, *CLOCK, *TIME, *RATING, *ORDER}


def choose(sample: pl.DataFrame, asked: Mapping[str, str | None], *, where: str, named: bool = True) -> Columns:
    """The columns asked for, and for the rest the ones whose names, or else contents, fit.

    Args:
        asked: what the person named, by role; the word 'none' means that there is no such column.
        named: the file has names of its own; without, only contents and places can tell.

    Raises:
        DataError: a column asked for is not there, user and item cannot be told, or two columns could be the time.
    """
    names = [name for name in sample.columns if not is_index(name)] or sample.columns
    found: dict[str, str] = {}
    why: Why = {}
    refused = set()
    for role in ("user", "item", "time", "rating", "order"):
        name = asked.get(role)
        if name is None:
            continue
        if name in sample.columns:
            found[role], why[role] = name, "asked for"
        elif name.lower() == "none":
            refused.add(role)
        else:
            raise DataError(
                f"{where}: there is no column '{name}' (asked for as {role}){nearest(name, names)} "
                f"The columns are: {', '.join(names)}."
            )
    seeker = _Seeker(sample, names, found, why, refused, where, asked.get("time_format"))
    if named:
        for role, known in (("user", USER), ("item", ITEM), ("rating", RATING)):
            seeker.by_name(role, known)
        seeker.time()
        seeker.ids_by_content()
    else:
        seeker.nameless()
    if "user" not in found or "item" not in found:
        raise DataError(seeker.missing())
    return Columns(found["user"], found["item"], found.get("time"), found.get("rating"), found.get("order"), why)


@dataclass
class _Seeker:
    """Finds the columns of a table one role after another."""

    sample: pl.DataFrame
    names: Sequence[str]
    found: dict[str, str]
    why: Why
    refused: set[str]
    where: str
    time_format: str | None

    def take(self, role: str, name: str, why: str) -> None:
        self.found[role], self.why[role] = name, why

    def free(self) -> list[str]:
        return [name for name in self.names if name not in self.found.values()]

    def by_name(self, role: str, known: Sequence[str]) -> None:
        """The first of the known names that is there."""
        if role in self.found or role in self.refused:
            return
        free = {plain(name): name for name in reversed(self.free())}
        for word in known:
            if word in free and not (word in _UNSURE and not _has_numbers(self.sample[free[word]])):
                return self.take(role, free[word], "by its name")

    def time(self) -> None:
        """The one column that can be the time.

        Raises:
            DataError: there are several, and nothing says which is meant.
        """
        if "time" in self.found or "time" in self.refused:
            return
        sure = [name for name in self.free() if plain(name) in CLOCK and self._is_time(name)]
        likely = sure or [name for name in self.free() if plain(name) in TIME and self._is_time(name)]
        told = "by its name"
        if not likely:
            likely, told = [name for name in self.free() if self._has_dates(name)], "the only column with dates"
        finest = self._finest(likely) if len(likely) > 1 else None
        if len(likely) > 1 and finest is None:
            shown = ", ".join(f"'{name}' ({_first(self.sample[name])})" for name in likely)
            raise DataError(
                f"{self.where}: several columns could be the time of the event: {shown}. "
                f"Say which: time={likely[0]}, or time=none to go by the order of the rows."
            )
        if likely:
            self.take("time", finest or likely[0], told)
            return
        # A name that says time above values that are none, or that come later: the reader looks and says what is wrong.
        unread = [name for name in self.free() if plain(name) in CLOCK]
        unread += [name for name in self.free() if plain(name) in TIME and self._may_be_time(name)]
        if unread:
            self.take("time", unread[0], "by its name")

    def ids_by_content(self) -> None:
        """User or item where the name says nothing: the only column that can be one, or the only two."""
        missing = [role for role in ("user", "item") if role not in self.found and role not in self.refused]
        candidates = [name for name in self.free() if self._could_be_id(name)]
        if missing and len(candidates) == len(missing):
            for role, name in zip(missing, candidates, strict=True):
                self.take(role, name, "guessed: the only column left that can be one")

    def nameless(self) -> None:
        """Without names: a clock, the first two columns that could be ids, a small number beside them."""
        if len(self.names) > 6:
            return
        if "time" not in self.found and "time" not in self.refused:
            clocks = [name for name in self.free() if self._is_clock(name)]
            if len(clocks) > 1:  # the wide numbers are ids, the one of seconds or milliseconds is the clock
                clocks = [name for name in clocks if _size(self.sample[name]) < 1e14] or clocks
            if len(clocks) > 1:
                raise DataError(
                    f"{self.where}: several columns could be the time: {', '.join(clocks)}. Say which: "
                    f"time={clocks[0]} (and user=..., item=...), or time=none."
                )
            if clocks:
                self.take("time", clocks[0], "the only column that reads as a clock")
        for role in ("user", "item"):
            if role not in self.found:
                name = next((n for n in self.free() if looks_like(self.sample[n]) in ("integer", "text")), None)
                if name is not None:
                    self.take(role, name, "guessed by its place")
        if "rating" not in self.found and "rating" not in self.refused:
            small = [name for name in self.free() if _are_small(self.sample[name])]
            if small:
                self.take("rating", small[0], "guessed: small numbers")

    def missing(self) -> str:
        """The error for a table in which user or item cannot be told."""
        absent = [role for role in ("user", "item") if role not in self.found]
        free = [name for name in self.free() if self._could_be_id(name)] or self.free() or list(self.names)
        known = "".join(f", {role} is '{name}' ({self.why[role]})" for role, name in self.found.items())
        words = " ".join(f"{role}={name}" for role, name in zip(absent, [*free, *free], strict=False))
        return (
            f"{self.where}: cannot tell which column is the {' and '.join(absent)}{known}; the columns are: "
            f"{', '.join(self.names)}. Name it, for example {words} "
            f"(segue fit: --set data.{absent[0]}=...; segue data prepare: --{absent[0]} ...)."
        )

    def _is_time(self, name: str) -> bool:
        values = self.sample[name]
        if looks_like(values) == "empty":
            return False
        clock = clock_of(values, where=self.where, form=self.time_format)
        return clock is not None and 2 * int(clock.read(values)[1].sum()) <= len(values)

    def _may_be_time(self, name: str) -> bool:
        """Whether a column has nothing to read yet, or begins with a time though others do not follow."""
        known = present(self.sample[name])
        return not len(known) or clock_of(known.head(1), where=self.where) is not None

    def _has_dates(self, name: str) -> bool:
        """Dates as such or in words; a number under a name that says nothing is no date."""
        if looks_like(self.sample[name]) not in ("text", "time"):
            return False
        clock = clock_of(self.sample[name], where=self.where, form=self.time_format)
        if clock is None or not (clock.native or clock.forms):
            return False
        return self.time_format is None or self._is_time(name)

    def _finest(self, names: Sequence[str]) -> str | None:
        """Of columns that give the same moments to the second, the one that tells most of them apart; else None."""
        moments = []
        for name in names:
            clock = clock_of(self.sample[name], where=self.where)
            if clock is None or clock.other:
                return None
            moments.append(clock.read(self.sample[name])[0].cast(pl.Int64) * (1_000_000_000 // clock.ticks))
        seconds = [moment // 1_000_000_000 for moment in moments]
        if not all(one.equals(seconds[0], check_names=False) for one in seconds[1:]):
            return None
        parts = [bool((moment % 1_000_000_000 != 0).any()) for moment in moments]
        return names[max(range(len(names)), key=lambda place: (parts[place], moments[place].n_unique()))]

    def _could_be_id(self, name: str) -> bool:
        values = present(self.sample[name])
        if looks_like(values) not in ("integer", "text") or _NO_ID.search(plain(name)) or is_known(name):
            return False
        if values.dtype == pl.String and (values.str.len_chars().max() or 0) > 64:  # type: ignore[operator]
            return False
        return values.n_unique() > min(2, len(values) - 1) and not self._has_dates(name)

    def _is_clock(self, name: str) -> bool:
        """A column without a name that goes like a clock: epochs of our days, or dates, and not the same ones again."""
        values = self.sample[name]
        kind = looks_like(values)
        if kind in ("text", "time"):
            return self._has_dates(name)
        if kind not in ("integer", "number"):
            return False
        size = present(values).cast(pl.Float64, strict=False).drop_nulls()
        epochs = any(bool(size.is_between(4.7e8 * unit, 3e9 * unit).all()) for unit in (1, 1e3, 1e6, 1e9))
        # A first column of numbers that come again and again is somebody's id, whatever their size.
        first = name == self.names[0] and len(size) > 3 and size.n_unique() < 0.5 * len(size)
        return epochs and not first and len(self.names) > 2


def _size(values: pl.Series) -> float:
    return float(present(values).cast(pl.Float64, strict=False).abs().median() or 0)  # type: ignore[arg-type]


def _are_small(values: pl.Series) -> bool:
    if looks_like(values) not in ("integer", "number"):
        return False
    return bool(present(values).cast(pl.Float64, strict=False).is_between(0, 100).all())


def _has_numbers(values: pl.Series) -> bool:
    """Whether a column named like a rating is one: a word such as 'score' may name something else."""
    known = present(values)
    if known.is_empty() or known.dtype in (pl.Boolean,):
        return True
    told, wrong = numbers(known, decimal="," if known.dtype == pl.String else ".")
    return wrong is None or 2 * int(wrong.sum()) <= len(told)


def _first(values: pl.Series) -> str:
    known = values.drop_nulls()
    return f"such as {str(known[0])[:30]}" if len(known) else "empty"
