"""The plugin of the built-in adapter methods and of bitsandbytes' optimizers."""

from __future__ import annotations

from core import AdapterMethod, Optimizer, hookimpl
from plugins.methods.lora import Lora, Lora8, Qlora
from plugins.methods.optimizers import AdamW8bit, PagedAdamW8bit
from plugins.methods.peft_methods import AdaLora, Ia3, Loha, Lokr, Oft, Vera
from plugins.methods.prompt_methods import Prefix, Prompt
from plugins.methods.selective import BitFit, Freeze, Full, Head


@hookimpl
def adapter_methods() -> list[type[AdapterMethod]]:
    """Return the adapter methods of this plugin."""
    return [Full, Head, Freeze, BitFit, Lora, Qlora, Lora8, AdaLora, Ia3, Vera, Oft, Loha, Lokr, Prompt, Prefix]


@hookimpl
def optimizers() -> list[type[Optimizer]]:
    """Return the optimizers of this plugin."""
    return [AdamW8bit, PagedAdamW8bit]
