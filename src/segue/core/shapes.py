"""Array types that carry their shape: `Float[Tensor, "users items"]`.

They come from jaxtyping, which the tests have and which turns every test into a shape test. The core does not need it:
without it each type is a stand-in that accepts any subscript and says nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("jaxtyping") is not None:
    from jaxtyping import Bool, Float, Int, Num
else:

    class _AnyShape:
        """Subscribed with an array type and a shape, it gives back the array type."""

        def __class_getitem__(cls, subscript: Any) -> Any:
            array_type, _ = subscript
            return array_type

    Bool = Float = Int = Num = _AnyShape

__all__ = ["Bool", "Float", "Int", "Num"]
