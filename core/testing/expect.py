"""How a check fails: who is wrong, what was found, and what would put it right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import numpy as np

    from core.tasks.targets.target import TargetType


class Subject:
    """What is being checked; its name opens every message.

    Args:
        name: Such as `model=encoder`.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def fail(self, message: str) -> NoReturn:
        """End the check.

        Raises:
            AssertionError: Always.
        """
        __tracebackhide__ = True  # pytest then shows the check that failed, not this line
        raise AssertionError(f"{self.name}: {message}")

    def expect(self, condition: object, message: str) -> None:
        """Go on where the condition holds.

        Raises:
            AssertionError: It does not.
        """
        __tracebackhide__ = True
        if not condition:
            self.fail(message)

    def expect_alike(self, found: Any, wanted: Any, target: TargetType, message: str, tolerance: float = 0.0) -> None:
        """Continue if two arrays of predictions are alike, as their target type measures it.

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
        """Go on where two arrays or tensors have one shape and the same values; NaN equals NaN.

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
