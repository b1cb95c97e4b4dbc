"""Explain why weights cannot be downloaded from the Hub."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from core.errors import Problem, WeightsError, nearest
from core.pretrained.hub import endpoint


def checkpoint_error(message: str, cure: str = "") -> WeightsError:
    """Return an error about `model.checkpoint`."""
    return WeightsError(Problem("model.checkpoint", message, cure))


def hub_error(checkpoint: str, error: Exception, known: Sequence[str]) -> WeightsError:
    """Return the error that explains a failed download from the Hub."""
    from huggingface_hub import errors

    name, _, revision = checkpoint.partition("@")
    for cause in _causes(error):
        if isinstance(cause, errors.GatedRepoError) or _status(cause) == 403:
            return _gated(name, cause)
    if isinstance(error, errors.RevisionNotFoundError):
        return checkpoint_error(f"{name} has no revision {revision!r}.", f"See {endpoint()}/{name}/commits/main")
    if isinstance(error, errors.RepositoryNotFoundError):
        close = nearest(name, known)
        hint = f"Did you mean {close!r}? " if close else ""
        return checkpoint_error(
            f"there is no model {name!r} on the Hub, and no folder of that name here.",
            f"{hint}Search {endpoint()}/models?search={name.rpartition('/')[2]}; if it is private, run: hf auth login",
        )
    if isinstance(error, errors.HFValidationError):
        return checkpoint_error(f"{name!r} is neither a folder nor a Hub id.", str(error))
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    return checkpoint_error(
        f"{name} could not be downloaded from {endpoint()}: {reason}", f"Try again, or run: hf download {name}"
    )


def _gated(name: str, error: BaseException) -> WeightsError:
    """Return the error for weights that the Hub gives only to some accounts.

    With a network, weights from scratch never replace them.
    """
    answer = str(getattr(error, "server_message", "") or "").strip()
    message = f"{name} is gated: only accounts that have accepted its license may download it, and yours was refused."
    cure = (
        f"Accept the license at {endpoint()}/{name}, wait until access is granted, then run `hf auth login` (or set "
        "HF_TOKEN) with a token that may read gated repositories. Otherwise use a checkpoint that is not gated "
        "(model.checkpoint=…), or set model.init=scratch."
    )
    return checkpoint_error(message + (f" The Hub's answer: {answer}" if answer else ""), cure)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, because the Hub's client wraps a refusal in a connection error."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _status(error: BaseException) -> int:
    """Return the HTTP status of the response in an error; 0 without one."""
    return int(getattr(getattr(error, "response", None), "status_code", 0))
