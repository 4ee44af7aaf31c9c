"""The trial inside the sandbox: the country is built, rows are run, one JSON object comes out.

Started as a program with a folder of its own and `all`, `few` or a part of the rows' ids; tells
each row as it ends on standard error, leaves the ground truth in the folder as `truth.jsonl`.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from netlab.few import FEW
from netlab.matrix import Outcome, confusion, run_all, score
from netlab.rows import ROWS, Row
from netlab.stage import open_stage
from netlab.tracing import run_traces


def main(folder: Path, rows: Sequence[Row]) -> None:
    """Run the rows and print what was found."""
    with open_stage(folder) as stage:
        outcomes = run_all(stage, rows, progress=_tell)
        traces = run_traces(stage)
        stage.truth.write(folder / "truth.jsonl")
        found = {
            "rows": [
                {"row": each.row.id, "said": each.said, "problem": each.problem}
                for each in outcomes
            ],
            "confusion": confusion(outcomes),
            "ratios": [each.ratio for each in outcomes if each.ratio],
            "score": asdict(score(outcomes)),
            "traces": traces,
            "is_good": score(outcomes).is_good and not any(each["problem"] for each in traces),
            "deeds": len(stage.truth.deeds),
        }
    print(json.dumps(found))  # noqa: T201  # the findings


def _tell(outcome: Outcome) -> None:
    mark = "FAIL" if outcome.problem else "miss" if outcome.row.beyond else "ok"
    line = f"{mark:<5}{outcome.took_s:5.1f} s  {outcome.row.id} → {outcome.said}"
    sys.stderr.write(f"{line}\n" if not outcome.problem else f"{line}\n     {outcome.problem}\n")
    sys.stderr.flush()


def _chosen(word: str) -> Sequence[Row]:
    known = {"all": ROWS, "few": FEW}
    return known[word] if word in known else [row for row in ROWS if word in row.id]


if __name__ == "__main__":
    main(Path(sys.argv[1]), _chosen(sys.argv[2]))
