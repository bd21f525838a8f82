import pytest

from tocsin.simulators.broker_address import BrokerAddress, parse_broker


@pytest.mark.parametrize(
    ("url", "address", "text"),
    [
        ("mqtt://127.0.0.1:1884", BrokerAddress("127.0.0.1", 1884), "127.0.0.1:1884"),
        ("mqtt://plant.example", BrokerAddress("plant.example", 1883), "plant.example:1883"),
        ("mqtt://[::1]:99/", BrokerAddress("::1", 99), "[::1]:99"),
    ],
)
def test_addresses(url: str, address: BrokerAddress, text: str) -> None:
    assert parse_broker(url) == address
    assert str(address) == text


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("127.0.0.1:1883", "scheme"),
        ("http://127.0.0.1", "has scheme 'http'; expected mqtt://"),
        ("mqtt://", "is not an address"),
        ("mqtt://host:0", "port 0"),
        ("mqtt://host:99999", "no usable port"),
        ("mqtt://host/topic", "is not an address"),
    ],
)
def test_wrong_urls_are_refused_with_what_was_expected(url: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        parse_broker(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ValueError, match="TOCSIN_MQTT_PASSWORD") as caught:
        parse_broker("mqtt://ann:s3cret@host")
    assert "s3cret" not in str(caught.value)
