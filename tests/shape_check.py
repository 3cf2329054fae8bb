"""What the tests check annotations with (see addopts in pyproject): beartype, where a whole number may be a float."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))
