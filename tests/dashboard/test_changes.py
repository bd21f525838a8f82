"""The status says which answers of the API are not as before."""

from tocsin.dashboard.changes import ChangeBoard, Changes


def test_a_number_steps_when_its_answer_is_another_one_and_no_other_does() -> None:
    answers: dict[str, list[str]] = {
        "deliveries": [],
        "maintenance": [],
        "functions": [],
        "zones": [],
    }
    board = ChangeBoard(7, {name: lambda name=name: list(answers[name]) for name in answers})
    first = board.look()
    assert first == Changes(8, 8, 8, 8), "not those of a server before"
    assert board.look() == first
    answers["maintenance"].append("boiler-*")
    assert board.look() == Changes(8, 9, 8, 8)
    assert board.look() == Changes(8, 9, 8, 8)
    answers["maintenance"].clear()
    answers["functions"].append("power")
    assert board.look() == Changes(8, 10, 9, 8)
