"""The only package that reads or writes files of ours: whole or not at all, hashed, bounded.

A file appears under its name only when all its bytes are on the disk, and a folder only when
its manifest (size and sha256 of every file) is. Whatever a crash, a kill or a full disk leaves
behind is the old state or the new one, next to `.name.tmp-<pid>` leftovers that nobody reads.
What is read is a regular file of bounded size, read once, checked, then parsed. What the bytes
mean is left to the modules that own the formats.
"""

from bardling.storage.files import (
    DEFAULT_LIMIT,
    JSON_LIMIT,
    PlacedFile,
    append_line,
    atomic_file,
    changed_ns,
    children,
    exists,
    open_file,
    read_bytes,
    read_json,
    read_text,
    sha256,
    write_bytes,
    write_json,
    write_text,
)
from bardling.storage.folders import (
    MANIFEST,
    Contents,
    is_published,
    prove_folder,
    publish_folder,
    read_folder,
    remove_folder,
    remove_leftovers,
    removed_on_error,
    set_aside,
    total_bytes,
)
from bardling.storage.lock import only_writer
from bardling.storage.strict_json import Json, json_bytes, parse_json, parse_json_text

__all__ = [
    "DEFAULT_LIMIT",
    "JSON_LIMIT",
    "MANIFEST",
    "Contents",
    "Json",
    "PlacedFile",
    "append_line",
    "atomic_file",
    "changed_ns",
    "children",
    "exists",
    "is_published",
    "json_bytes",
    "only_writer",
    "open_file",
    "parse_json",
    "parse_json_text",
    "prove_folder",
    "publish_folder",
    "read_bytes",
    "read_folder",
    "read_json",
    "read_text",
    "remove_folder",
    "remove_leftovers",
    "removed_on_error",
    "set_aside",
    "sha256",
    "total_bytes",
    "write_bytes",
    "write_json",
    "write_text",
]
