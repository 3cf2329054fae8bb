"""All single files, each with the right outcome by hand."""

from data.door.case import Case
from data.door.column_cases import COLUMNS
from data.door.item_cases import ITEMS
from data.door.text_cases import TEXTS
from data.door.time_cases import TIMES
from data.door.typed_cases import TYPED

CASES: tuple[Case, ...] = (*COLUMNS, *TIMES, *TYPED, *TEXTS, *ITEMS)
