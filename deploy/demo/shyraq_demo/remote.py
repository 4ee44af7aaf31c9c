"""The country as the telling sees it: another process that proves what it is told to do."""

import json
from typing import Final

from shyraq_demo.child import Child
from shyraq_demo.errors import EffectError

PROOF_S: Final = 60.0
"""How long a switch and its canaries may take on a busy machine."""


class RemoteCountry:
    """Gives orders to the country's process."""

    def __init__(self, child: Child) -> None:
        """Nothing is ordered yet.

        Args:
            child: Running `country_process`, ready.
        """
        self._child = child

    async def turn(self, heartbeats: float) -> None:
        """Bring every network to this moment of the story; return when it is proved.

        Raises:
            EffectError: A canary met something other than what was ordered.
            WorldError: The process has gone, or does not answer.
        """
        await self._order({"turn": heartbeats})

    async def forget_standing(self) -> None:
        """Drop the canaries that stand through a cut, because the broker itself goes.

        Raises:
            WorldError: The process has gone, or does not answer.
        """
        await self._order({"forget": True})

    async def _order(self, order: dict[str, float]) -> None:
        await self._child.tell(json.dumps(order))
        answer = json.loads(await self._child.listen(within_s=PROOF_S))
        if "failed" in answer:
            raise EffectError(answer["failed"])
