"""Every normative statement for a server has a test, and the table says which."""

import pytest

from tests.broker.clauses import TABLE, V5, V311, proofs, statements, table

COUNTS = {V311: 141, V5: 251}
"""As in appendix B of each standard."""


@pytest.mark.parametrize("version", [V311, V5])
def test_each_statement_for_a_server_has_a_test(version: str) -> None:
    listed = statements(version)
    assert len(listed) == COUNTS[version]
    assert len({each.id for each in listed}) == len(listed)
    proved = {proof.id for proof in proofs() if proof.version == version}
    assert not proved - {each.id for each in listed}, "no such statement"
    assert not [each for each in listed if each.is_ours and each.id not in proved], "without a test"


def test_the_table_is_up_to_date() -> None:
    assert TABLE.read_text() == table(), "run scripts/clauses"
