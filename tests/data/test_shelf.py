import numpy as np
import pytest

from segue.data.shelf import Shelf

TYPES = {"user": "int32", "column:a/b": "float64"}


def piece(*values):
    return {"user": np.array(values, dtype=np.int32), "column:a/b": np.array(values) / 2}


@pytest.mark.parametrize(("limit", "on_disk"), [(1e9, False), (30.0, True), (0.0, True)])
def test_what_is_put_comes_back_in_order_wherever_it_lies(tmp_path, limit, on_disk):
    shelf = Shelf(tmp_path / "shelf", TYPES, limit)
    for place, values in ((3, (1, 2)), (0, (7,)), (3, (5,))):
        shelf.put(place, piece(*values))
    assert shelf.on_disk == on_disk
    assert shelf.get(3, ["user"])["user"].tolist() == [1, 2, 5]
    taken = shelf.take(3)
    assert taken["column:a/b"].tolist() == [0.5, 1.0, 2.5]
    assert taken["user"].dtype == np.int32
    assert shelf.get(3)["user"].tolist() == []
    assert shelf.take(0)["user"].tolist() == [7]
    assert list((tmp_path / "shelf").iterdir()) == []
