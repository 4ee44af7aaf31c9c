"""What a rule may ask about one observation, and what it may conclude; values only."""

from dataclasses import dataclass

from shyraq_collector.facts.verdicts import Doubt, Layer, State
from shyraq_collector.judge.controls import Answer, Word
from shyraq_collector.judge.sightings import Seen


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a rule concludes."""

    state: State
    layer: Layer | None = None
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One observation with everything a rule may ask about it."""

    seen: Seen
    complete: bool
    """It succeeded at the layer that this probe is after."""
    answer: Answer
    """What the controls say of it."""
    same_page: bool | None
    """Its page is the control's page; None: one of the two is missing."""
    same_status: bool
    """The control got the same status."""
    repeated: bool
    """Enough failures in a row, of this node at this layer."""
    slowed: bool
    """The handshakes of this target are slower than they should be, beyond doubt."""
    no_path: bool
    """The node's ladder, just then, reached nothing where the target stands."""
    line_suspect: bool
    """The neutral names fail for this node as well."""
    clock_wrong: bool
    """The node's clock is not to be trusted with dates."""
    private_answer: bool
    """Its lookup gave only addresses that no public name can have."""
    portal: bool
    """A response leads to an address of the local network."""
    elsewhere: Answer
    """Where they did not get through at this address: what they say of all others."""
    given: bool
    """A control was given this address by its own resolver; else only an ask led there."""
    strange_address: bool
    """Its address lies near none that the controls were given or where the target was met."""
    injected: bool
    """Something answered in place of a resolver that does not exist, or twice with two words."""
    false_answer: bool | None
    """What it answered is not the truth; None: not injected, or it cannot be told."""
    lasting: bool = False
    """Its transfers were slowed down when they were last compared on this line."""

    @property
    def works_elsewhere(self) -> bool:
        """Whether the controls did not get through at this address, but at others."""
        return self.elsewhere.word == "worked"

    @property
    def witnesses(self) -> Answer:
        """Whom a verdict leans on: controls at this address, or else those at others."""
        is_untried = self.answer.word == "untried" and self.works_elsewhere
        return self.elsewhere if is_untried else self.answer

    @property
    def control(self) -> Word:
        """The controls' word."""
        return self.answer.word
