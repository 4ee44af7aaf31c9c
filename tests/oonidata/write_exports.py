"""Writes what `load_exports.py` reads: all kinds of export and all vectors, as JSON lines.

Run with our own environment, `tests` on the path: `python tests/oonidata/write_exports.py FILE`.
"""

import json
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]


def main() -> None:
    """Write the file named on the command line."""
    sys.path.insert(0, str(TESTS))
    from support.exports import exported  # noqa: PLC0415  # only now is it on the path

    vectors = sorted((TESTS / "vectors" / "ooni").glob("*.json"))
    documents = [*exported(), *(json.loads(path.read_text(encoding="utf-8")) for path in vectors)]
    text = "".join(json.dumps(document) + "\n" for document in documents)
    Path(sys.argv[1]).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
