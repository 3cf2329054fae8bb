"""The fast paths. Each operation is one public function; it checks shapes and lets `dispatch` choose how it is done."""

from segue.kernels.dispatch import use

__all__ = ["use"]
