"""Whether servers of weights can be reached, the Hub first: asked once, within seconds, and never if switched off."""

from __future__ import annotations

import os
import threading
import urllib.error
import urllib.request
from functools import cache

PROBE_SECONDS = 3.0


def endpoint() -> str:
    """The Hub's address: `HF_ENDPOINT`, or the public one."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


@cache
def hub_unreachable() -> str:
    """Why the Hub cannot be reached, or an empty string where it can. Asked once a process, within three seconds.

    `HF_ENDPOINT` and the proxy variables are respected. Where `HF_HUB_OFFLINE` is set, no socket is opened and no name
    looked up.
    """
    return _why_not(endpoint(), "the Hub")


@cache
def unreachable(address: str, name: str) -> str:
    """The same of another server; what switches the Hub off switches it off too.

    Args:
        address: Such as `https://example.org`.
        name: What to call it.
    """
    return _why_not(address, name)


def _why_not(address: str, name: str) -> str:
    for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        if os.environ.get(variable, "").upper() in {"1", "ON", "YES", "TRUE"}:
            return f"{variable} is set, so {name} is not asked"
    answers: list[str] = []
    # A name look-up has no time limit of its own, so the question is asked in a thread that may be left behind.
    asking = threading.Thread(target=lambda: answers.append(_ask(address)), daemon=True)
    asking.start()
    asking.join(PROBE_SECONDS)
    failure = answers[0] if answers else f"no answer within {PROBE_SECONDS:g} s"
    return f"{name} at {address} cannot be reached ({failure})" if failure else ""


def _ask(address: str) -> str:
    """Empty where the endpoint answers at all, else what went wrong."""
    request = urllib.request.Request(address, method="HEAD", headers={"User-Agent": "graft"})
    try:
        urllib.request.urlopen(request, timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"it answers {error.code}" if error.code >= 500 or error.code == 407 else ""
    except urllib.error.URLError as error:
        return str(error.reason)
    except Exception as error:  # whatever fails here, the answer is the same: it cannot be reached
        return f"{type(error).__name__}: {error}"
    return ""
