"""The machine that a run uses: device, precision, seeds, memory, versions and cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.runtime.cache import cache_directory, keep_caches_of_others
    from core.runtime.determinism import deterministic
    from core.runtime.hardware import Hardware, bf16_native, gpu_at_hand
    from core.runtime.modules import unwrap
    from core.runtime.versions import describe
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.runtime.cache": ("cache_directory", "keep_caches_of_others"),
            "core.runtime.determinism": ("deterministic",),
            "core.runtime.hardware": ("Hardware", "bf16_native", "gpu_at_hand"),
            "core.runtime.modules": ("unwrap",),
            "core.runtime.versions": ("describe",),
        },
    )

__all__ = [
    "Hardware",
    "bf16_native",
    "cache_directory",
    "describe",
    "deterministic",
    "gpu_at_hand",
    "keep_caches_of_others",
    "unwrap",
]
