"""Writes measured figures into documents."""

from pathlib import Path

TOP = Path(__file__).parent.parent


def put(document: str, place: str, text: str) -> None:
    """Replace the text between ``<!-- place -->`` and ``<!-- /place -->`` in ``document``.

    Raises:
        ValueError: The document has no such marks.
    """
    path = TOP / document
    before, begin, rest = path.read_text(encoding="utf-8").partition(f"<!-- {place} -->\n")
    _, end, after = rest.partition(f"<!-- /{place} -->")
    if not end:
        raise ValueError(f"{document} has no marks <!-- {place} --> … <!-- /{place} -->")
    path.write_text(f"{before}{begin}{text}\n{end}{after}", encoding="utf-8")
