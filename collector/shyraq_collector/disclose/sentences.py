"""Plain sentences about incidents: who, what, how many; the same in every language.

Names are never bent into a sentence's grammar: they follow a colon or stand in brackets, because
three languages bend them in three ways and a name in the data may be anything.
"""

from collections.abc import Sequence

from shyraq_collector.disclose import privacy
from shyraq_collector.disclose.languages import Wording
from shyraq_collector.disclose.places import Country
from shyraq_collector.facts.incidents import Entry, Incident, Scope


class Sentences:
    """Speaks of one country in one language."""

    def __init__(self, *, country: Country, wording: Wording) -> None:
        """Keep both."""
        self._country = country
        self._say = wording

    def who(self, scope: Scope) -> str:
        """Which sites, networks and regions a published scope names."""
        networks = self._networks(scope)
        if scope.level == "nation":
            place = self._country.whole[self._say.language]
            if len(scope.access) == 1:
                networks = self._say(f"who.{scope.access[0]}")
                place = self._say("who.in_regions", networks=networks, regions=place)
            if scope.exempt_isps:
                isps = self.networks(scope.exempt_isps)
                place = self._say("who.except", place=place, isps=isps)
        elif privacy.place_is_withheld(scope):
            place = self._say("who.place_withheld", networks=networks)
        elif scope.regions:
            regions = self.regions(scope.regions)
            place = self._say("who.in_regions", networks=networks, regions=regions)
        else:
            place = networks
        if not scope.targets:
            return place
        return self._say("who.sites_of", targets=", ".join(scope.targets), networks=place)

    def entry(self, entry: Entry, *, is_interrupted: bool = False) -> str:
        """What one published entry of a timeline says.

        Args:
            entry: The entry.
            is_interrupted: It closes an incident because our observation of it ended.
        """
        if is_interrupted:
            return self._say("timeline.interrupted")
        return self._say(f"entry.{entry.kind}.{entry.state}", who=self.who(entry.scope))

    def figures(self, entry: Entry) -> str | None:
        """How many are silent, or reach nothing abroad; None where no cut, or not to be said."""
        told = privacy.figure(entry.evidence.lines, of=entry.evidence.lines)
        if entry.kind != "outage" or told is None or entry.state in {"closed", "dismissed"}:
            return None
        down = entry.evidence.down
        key = "timeline.reached" if entry.evidence.test == "ladder" else "timeline.figures"
        return self._say(key, down=down, lines=told, percent=percent(down, told))

    def kind(self, incident: Incident) -> str:
        """What sort of incident, in one or two words."""
        return self._say(f"kind.{incident.kind}")

    def networks(self, slugs: Sequence[str]) -> str:
        """Names of networks in a row."""
        return ", ".join(self._country.network(slug, self._say.language) for slug in slugs)

    def regions(self, codes: Sequence[str]) -> str:
        """Names of regions in a row."""
        return ", ".join(self._country.region(code, self._say.language) for code in codes)

    def _networks(self, scope: Scope) -> str:
        isps = self.networks(scope.isps)
        if len(scope.access) == 1:
            access = scope.access[0]
            return self._say(f"who.{access}_of", isps=isps) if isps else self._say(f"who.{access}")
        return isps or self._say("who.all_networks")


def percent(part: int, whole: int) -> int:
    """A share in whole percent; never 0 for something, never 100 for less than all."""
    if part in {0, whole}:
        return 100 if part else 0
    return min(99, max(1, round(100 * part / whole)))
