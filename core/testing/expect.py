"""Raise the errors of the checks: each names the component, what was found and how to fix it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy as np

    from core.tasks.targets.target import TargetType


class Subject:
    """The component to check; every message begins with its name.

    Args:
        name: The name, such as `model=encoder`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def fail(self, message: str) -> NoReturn:
        """Raise the error of a check.

        Raises:
            AssertionError: Always.
        """
        __tracebackhide__ = True  # pytest then shows the line of the check, not this one
        raise AssertionError(f"{self.name}: {message}")

    def expect(self, condition: object, message: str) -> None:
        """Raise an error unless the condition is true.

        Raises:
            AssertionError: The condition is false.
        """
        __tracebackhide__ = True
        if not condition:
            self.fail(message)

    def expect_alike(self, found: Any, wanted: Any, target: TargetType, message: str, tolerance: float = 0.0) -> None:
        """Raise an error unless two arrays of predictions are alike, as their target type measures it.

        Raises:
            AssertionError: They differ; the message says by how much.
        """
        __tracebackhide__ = True
        if not target.objects:
            self.expect_equal(found, wanted, message, tolerance)
            return
        gap = target.difference(found, wanted)
        if gap > tolerance:
            self.fail(f"{message} (the largest difference is {gap:.3g})")

    def expect_equal(self, found: Any, wanted: Any, message: str, tolerance: float = 0.0) -> None:
        """Raise an error unless two arrays or tensors have the same shape and the same values; NaN equals NaN.

        Raises:
            AssertionError: They differ; the message says by how much.
        """
        __tracebackhide__ = True
        import numpy as np

        first, second = _array(found), _array(wanted)
        if first.shape != second.shape:
            self.fail(f"{message} (the shapes are {list(first.shape)} and {list(second.shape)})")
        if not np.allclose(first, second, rtol=tolerance, atol=tolerance, equal_nan=True):
            gap = np.nanmax(np.abs(first.astype(np.float64) - second.astype(np.float64)))
            self.fail(f"{message} (the largest difference is {gap:.3g})")


def _array(value: Any) -> np.ndarray[Any, Any]:
    import numpy as np

    return np.asarray(value.detach().float().cpu() if hasattr(value, "detach") else value)
