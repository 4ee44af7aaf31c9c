"""Reads a page as a browser's parser would, far enough to say what it is made of."""

from html.parser import HTMLParser

from typing_extensions import override

VOID = {"meta", "link", "img", "br", "use", "path", "circle", "rect"}
"""Elements without an end here: HTML's own, and those of SVG that our pages close at once."""


class Page(HTMLParser):
    """Tags with their attributes, in order, and the text outside of them."""

    def __init__(self, html: str) -> None:
        """Parse a page."""
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.errors: list[str] = []
        self._open: list[str] = []
        self._texts: list[str] = []
        self.feed(html)
        self.close()
        self.errors += [f"<{tag}> is never closed" for tag in self._open]

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    @override
    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep a tag that closes itself."""
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    @override
    def handle_endtag(self, tag: str) -> None:
        """Check that tags close in order."""
        if tag in VOID:
            return
        if not self._open or self._open.pop() != tag:
            self.errors.append(f"</{tag}> closes nothing or the wrong thing")

    @override
    def handle_data(self, data: str) -> None:
        """Keep text."""
        self._texts.append(data)

    @property
    def text(self) -> str:
        """All text, with single spaces."""
        return " ".join("".join(self._texts).split())

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Tags and names of attributes: what hostile text must never change."""
        return [(tag, tuple(attributes)) for tag, attributes in self.tags]

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of a name."""
        return [attributes for name, attributes in self.tags if name == tag]
