"""What adapters of several plugins share: finding and decoding files, storing rows, opening data sets of the Hub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.lazy import lazy_face

if TYPE_CHECKING:
    from core.data.files.encodings import lines, resolve_encoding, undecodable
    from core.data.files.hub import (
        choose_splits,
        class_name,
        classes_of,
        first_line,
        is_offline,
        is_saved,
        open_remote,
        open_saved,
        quiet_datasets,
    )
    from core.data.files.json_lines import BLANK, CURES, json_value, undecodable_bytes
    from core.data.files.paths import (
        SPLIT_NAMES,
        File,
        by_name,
        digest,
        find,
        find_all,
        name_files,
        refuse_empty,
        source_problems,
        split_of,
    )
    from core.data.files.row_store import Picker, content_digest, store
else:
    __getattr__ = lazy_face(
        __name__,
        {
            "core.data.files.encodings": ("lines", "resolve_encoding", "undecodable"),
            "core.data.files.hub": (
                "choose_splits",
                "class_name",
                "classes_of",
                "first_line",
                "is_offline",
                "is_saved",
                "open_remote",
                "open_saved",
                "quiet_datasets",
            ),
            "core.data.files.json_lines": ("BLANK", "CURES", "json_value", "undecodable_bytes"),
            "core.data.files.paths": (
                "SPLIT_NAMES",
                "File",
                "by_name",
                "digest",
                "find",
                "find_all",
                "name_files",
                "refuse_empty",
                "source_problems",
                "split_of",
            ),
            "core.data.files.row_store": ("Picker", "content_digest", "store"),
        },
    )

__all__ = [
    "BLANK",
    "CURES",
    "SPLIT_NAMES",
    "File",
    "Picker",
    "by_name",
    "choose_splits",
    "class_name",
    "classes_of",
    "content_digest",
    "digest",
    "find",
    "find_all",
    "first_line",
    "is_offline",
    "is_saved",
    "json_value",
    "lines",
    "name_files",
    "open_remote",
    "open_saved",
    "quiet_datasets",
    "refuse_empty",
    "resolve_encoding",
    "source_problems",
    "split_of",
    "store",
    "undecodable",
    "undecodable_bytes",
]
