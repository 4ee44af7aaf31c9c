"""Telling the story in the terminal as it unfolds: what is done on the left, what is said of it.

One line for each deed and each published entry, with the heartbeat and the story's time; the
delay of an entry counts from the deed before it. At the end a table of expected against found.
"""

from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shyraq_demo.account import Deed, Said
from shyraq_demo.compare import Finding, scope_words
from shyraq_demo.story import Story
from shyraq_demo.telling import Edge
from shyraq_wire.moments import format_moment

_STATE_STYLES: Final = {
    "suspected": "yellow",
    "confirmed": "bold red",
    "ongoing": "red",
    "reopened": "bold red",
    "partial_restore": "cyan",
    "restored": "bold green",
    "closed": "green",
    "dismissed": "dim",
}


class Narrator:
    """Writes to one console."""

    def __init__(self, story: Story, console: Console) -> None:
        """Begin with nothing told.

        Args:
            story: For its clock and names.
            console: Where to write.
        """
        self._story = story
        self._console = console
        self._last_deed_ms: int | None = None

    def prepare(self) -> None:
        """The run begins; a few seconds pass until everything is up."""
        self._console.print("[dim]The country is being built ...[/]")

    def open(self, page: tuple[str, int], broker: str) -> None:
        """The story begins: where the page is, and how fast time runs."""
        story = self._story
        real_s = story.heartbeat_s / story.compression
        count = len(story.networks) * len(story.regions) * story.nodes_per_cell
        self._console.print(f"[bold]{escape(story.title)}[/]")
        self._console.print(
            f"{count} nodes in {len(story.networks)} networks and {len(story.regions)} regions, "
            f"{len(story.abroad)} controls abroad, broker {broker}; "
            f"a heartbeat of {story.heartbeat_s} s takes {real_s:g} s.",
            soft_wrap=True,
        )
        self._console.print(f"The page: [bold link]http://{page[0]}:{page[1]}/[/]\n")

    def deed(self, deed: Deed, edge: Edge) -> None:
        """Something was done to the country, and proved."""
        self._last_deed_ms = deed.at_ms
        says = edge.fault.says if edge.is_begin else edge.fault.over
        if says is not None:
            self._line(deed.at_ms, "[bold magenta]the story[/]    ", escape(says))

    def said(self, said: Said) -> None:
        """The collector has published an entry."""
        style = _STATE_STYLES.get(said.state, "white")
        delay = ""
        if self._last_deed_ms is not None:
            beats = (said.published_at_ms - self._last_deed_ms) / (self._story.heartbeat_s * 1000)
            delay = f" [dim](+{beats:.1f} heartbeats)[/]"
        words = f"[{style}]{escape(said.kind)} {escape(scope_words(said))}[/]{delay}"
        self._line(said.published_at_ms, "[bold blue]the collector[/]", words)

    def stay(self, page: tuple[str, int]) -> None:
        """The story is over and the world goes on."""
        self._console.print(
            f"\nThe page stays at [bold link]http://{page[0]}:{page[1]}/[/]; Ctrl-C ends it."
        )

    def end(self, findings: Sequence[Finding]) -> None:
        """Expected against found."""
        table = Table(title="expected against found", title_justify="left")
        for column in ("", "what", "expected", "found"):
            table.add_column(column)
        table.add_column("delay (heartbeats)", justify="right")
        for finding in findings:
            delay = finding.delay_heartbeats
            table.add_row(
                "[green]right[/]" if finding.is_right else "[bold red]WRONG[/]",
                escape(finding.what),
                escape(finding.expected),
                escape(finding.found),
                "" if delay is None else f"{delay:.1f}",
            )
        self._console.print(table)

    def _line(self, at_ms: int, who: str, words: str) -> None:
        beat = (at_ms - self._story.starts_at_ms) / (self._story.heartbeat_s * 1000)
        clock = format_moment(max(at_ms, 0))[11:16]
        self._console.print(
            f"[dim]{beat:5.1f} ♥ {clock}[/]  {who}  {words}", highlight=False, soft_wrap=True
        )
