"""The embedded MQTT broker: codec, sessions, subscriptions, listeners, limits, access."""

from tocsin.broker.access import DEFAULT_RULES, AccessControl, Action, Rule
from tocsin.broker.admission import OnConnection
from tocsin.broker.broker import Broker
from tocsin.broker.intake import Sink
from tocsin.broker.listener import Listener, Tls
from tocsin.broker.listeners import ListenError
from tocsin.broker.login import Authenticate, Login
from tocsin.broker.report import ClientReport, Refusal, Report, Totals
from tocsin.broker.settings import Settings

__all__ = [
    "DEFAULT_RULES",
    "AccessControl",
    "Action",
    "Authenticate",
    "Broker",
    "ClientReport",
    "ListenError",
    "Listener",
    "Login",
    "OnConnection",
    "Refusal",
    "Report",
    "Rule",
    "Settings",
    "Sink",
    "Tls",
    "Totals",
]
