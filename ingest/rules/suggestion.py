"""What somebody may have meant: the known word nearest to a mistyped one."""

from collections.abc import Iterable


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`; did you mean avg?` for `agv`, or nothing when no known word is near.

    Near means at most a third of the letters mistyped (never more than 3). Of equally near
    words the one with the same letters wins: swapped keys are the commonest slip.
    """
    limit = min(3, max(1, len(word) // 3))
    best = min(
        (
            (distance, sorted(word) != sorted(candidate), candidate)
            for candidate in known
            if abs(len(candidate) - len(word)) <= limit
            and (distance := _distance(word.lower(), candidate.lower())) <= limit
        ),
        default=None,
    )
    return f"; did you mean {best[2]}?" if best else ""


def _distance(a: str, b: str) -> int:
    """Letters to insert, drop, replace or swap with their neighbour to make `b` of `a`.

    Optimal string alignment, a row of the table at a time.
    """
    before: list[int] = []
    above = list(range(len(b) + 1))
    for i, letter in enumerate(a, 1):
        row = [i]
        for j, other in enumerate(b, 1):
            cost = min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other))
            if i > 1 and j > 1 and letter == b[j - 2] and other == a[i - 2]:
                cost = min(cost, before[j - 2] + 1)
            row.append(cost)
        before, above = above, row
    return above[-1]
