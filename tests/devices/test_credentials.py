from tocsin.devices.credentials import (
    Credential,
    Identity,
    Role,
    hash_token,
    new_token,
    token_matches,
)


def test_token_is_kept_as_a_hash_only():
    token = new_token()
    credential = Credential("boiler-7", Role.DEVICE, hash_token(token.encode()), 0.0)
    assert token not in repr(credential)
    assert token_matches(token.encode(), credential.token_hash)
    assert not token_matches(new_token().encode(), credential.token_hash)


def test_device_credential_speaks_for_its_device():
    assert Credential("b", Role.DEVICE, "", 0.0).identity() == Identity(Role.DEVICE, "b", "b")
    assert Credential("o", Role.OPERATOR, "", 0.0).identity() == Identity(Role.OPERATOR, "o")
