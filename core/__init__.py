"""Graft's core: the sockets, the road, the loop and honest evaluation. Importing it imports nothing heavy."""

from core.config import RunConfig, Train
from core.errors import GraftError
from core.hooks import hookimpl
from core.run import run

__all__ = ["GraftError", "RunConfig", "Train", "hookimpl", "run"]
__version__ = "0.1.0"
