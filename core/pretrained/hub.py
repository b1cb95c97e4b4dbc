"""Check whether the Hub and other servers of weights can be reached; never if the network is switched off."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from functools import cache

PROBE_SECONDS = 3.0
"""Longest time to wait for an answer."""


def endpoint() -> str:
    """Return the Hub's address: `HF_ENDPOINT`, or the public one."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


@cache
def hub_unreachable() -> str:
    """Return why the Hub cannot be reached, or an empty string if it can.

    The check runs once per process and takes at most three seconds. It respects `HF_ENDPOINT` and the proxy variables.
    If `HF_HUB_OFFLINE` is set, it opens no socket and looks up no name.
    """
    return _check(endpoint(), "the Hub")


@cache
def unreachable(address: str, name: str) -> str:
    """Return why another server cannot be reached, or an empty string; see `hub_unreachable`.

    Args:
        address: The address, such as `https://example.org`.
        name: The name of the server in messages.
    """
    return _check(address, name)


def _check(address: str, name: str) -> str:
    """Return why a server cannot be reached, or an empty string."""
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}:
            return f"{variable} is set, so {name} is not contacted"
    answers: list[str] = []
    # A name look-up has no time limit, so the request runs in a thread that may be abandoned.
    request = threading.Thread(target=lambda: answers.append(_request(address)), daemon=True)
    request.start()
    request.join(PROBE_SECONDS)
    failure = answers[0] if answers else f"no answer within {PROBE_SECONDS:g} s"
    return f"{name} at {address} cannot be reached ({failure})" if failure else ""


def _request(address: str) -> str:
    """Return what went wrong with a request, or an empty string if the server answers."""
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "graft"})
    try:
        urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"it answers {error.code}" if error.code >= 500 or error.code == 407 else ""
    except urllib.error.URLError as error:
        return str(error.reason)
    except Exception as error:  # any failure means that the server cannot be reached
        return f"{type(error).__name__}: {error}"
    return ""
