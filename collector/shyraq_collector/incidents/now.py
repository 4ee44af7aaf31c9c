"""Every group of a country as it stands now, for status pages. Not here: any judgement."""

from collections import defaultdict

from shyraq_collector.correlate.country import Country
from shyraq_collector.correlate.growth import onset_of
from shyraq_collector.correlate.lattice import LINES_MIN
from shyraq_collector.correlate.line import Line
from shyraq_collector.facts.incidents import GroupStatus


def group_statuses(country: Country) -> list[GroupStatus]:
    """One status for each group that has ever held a line, the nation first."""
    members: dict[int, list[Line]] = defaultdict(list)
    for line in country.lines.values():
        if line.state in {"up", "missing"}:
            for index in line.groups:
                members[index].append(line)
    return [
        GroupStatus(
            country=country.code,
            isp=group.key.isp,
            region=group.key.region,
            access=group.key.access,
            lines=len(lines := members[index]),
            down=len(down := [line for line in lines if line.state == "missing"]),
            sites=len({line.key.site for line in lines}),
            observable=len(lines) >= LINES_MIN,
            incident=next((line.case for line in lines if line.case), None),
            since=onset_of(down) if down else None,
        )
        for index, group in enumerate(country.lattice.groups)
    ]
