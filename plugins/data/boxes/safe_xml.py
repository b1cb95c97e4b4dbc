"""Parse XML into a tree with line numbers, and refuse documents that could expand entities or fetch files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

MOST_ELEMENTS = 1_000_000


class BrokenXmlError(Exception):
    """An unusable file, with a message and the line (0: the whole file)."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message, self.line = message, line


@dataclass
class Element:
    """One element, with its text and the line where it begins."""

    name: str
    line: int
    text: str = ""
    children: list[Element] = field(default_factory=list)

    def all(self, name: str) -> Iterator[Element]:
        """Return the children of that name."""
        return (each for each in self.children if each.name == name)

    def find(self, *names: str) -> Element | None:
        """Return the element at a path of child names, always the first match; None if there is none."""
        found: Element | None = self
        for name in names:
            found = None if found is None else next(found.all(name), None)
        return found

    def text_of(self, *names: str) -> str:
        """Return the stripped text of what `find` returns; empty if there is none."""
        found = self.find(*names)
        return "" if found is None else found.text.strip()


def parse(path: Path) -> Element:
    """Return the root element of a file.

    Document types are refused, and so are the entities that they declare: entities can expand a small file into a huge
    one, or fetch other files.

    Raises:
        BrokenXmlError: The file is empty, is not well-formed, or has a document type.
        OSError: The file cannot be read.
    """
    content = path.read_bytes()
    if not content.strip():
        raise BrokenXmlError("the file is empty")
    parser = expat.ParserCreate()
    parser.buffer_text = True
    top = Element("", 0)
    open_elements, count = [top], 0

    def begin(name: str, attributes: dict[str, str]) -> None:
        nonlocal count
        count += 1
        if count > MOST_ELEMENTS:
            raise BrokenXmlError(f"the file has more than {MOST_ELEMENTS:,} elements", parser.CurrentLineNumber)
        element = Element(name, parser.CurrentLineNumber)
        open_elements[-1].children.append(element)
        open_elements.append(element)

    def end(name: str) -> None:
        open_elements.pop()

    def text(data: str) -> None:
        open_elements[-1].text += data

    def refuse(*declared: object) -> None:
        message = "the file declares a document type (<!DOCTYPE …>), which is refused"
        raise BrokenXmlError(message, parser.CurrentLineNumber)

    parser.StartElementHandler, parser.EndElementHandler = begin, end
    parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = text, refuse
    try:
        parser.Parse(content, True)
    except expat.ExpatError as error:
        reason = expat.ErrorString(error.code)
        raise BrokenXmlError(f"the file is not well-formed XML ({reason})", error.lineno) from error
    except (LookupError, ValueError) as error:  # an encoding that does not exist
        raise BrokenXmlError(f"the file cannot be decoded ({error})") from error
    return top.children[0]
