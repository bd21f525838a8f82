"""amqtt's authentication and topic plugins inside this broker. Imported only where some are set.

As in amqtt, every plugin that has an answer must say yes, and one must have an answer.
"""

import asyncio
import enum
import importlib
import inspect
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from amqtt.contexts import Action as TheirAction
from amqtt.contexts import BaseContext
from amqtt.plugins.authentication import FileAuthPlugin
from amqtt.plugins.base import BaseAuthPlugin, BasePlugin, BaseTopicPlugin
from amqtt.session import Session
from dacite import Config, DaciteError, from_dict

from tocsin.broker.access import Action, Advice
from tocsin.broker.login import Login

_log = structlog.get_logger()

ANSWER_WITHIN_S = 10.0
"""A plugin that takes longer has said no."""

_ACTIONS = {Action.PUBLISH: TheirAction.PUBLISH, Action.SUBSCRIBE: TheirAction.SUBSCRIBE}


class PluginError(ValueError):
    """A plugin cannot be used: which one, and why."""


@dataclass(frozen=True, slots=True)
class PluginUse:
    """`path` names a class as `amqtt.contrib.jwt.UserAuthJwtPlugin`; `config` fills its Config."""

    path: str
    config: Mapping[str, Any]


class Plugins:
    """Owns plugins, made within the running loop. Raises PluginError."""

    def __init__(self, uses: Sequence[PluginUse]) -> None:
        self._plugins = [_made(use) for use in uses]
        self._logins = [each for each in self._plugins if isinstance(each, BaseAuthPlugin)]
        self._topics = [each for each in self._plugins if isinstance(each, BaseTopicPlugin)]

    @property
    def decide_logins(self) -> bool:
        return bool(self._logins)

    async def authenticate(self, login: Login) -> bool:
        """Whether every plugin with an answer lets this client in, and there is one."""
        session = _session(login)
        return await _agreed([_login_answer(plugin, session) for plugin in self._logins])

    def advise(self, login: Login) -> Advice | None:
        """What the topic plugins say of this client's topics; None: there are no such plugins."""
        if not self._topics:
            return None
        session = _session(login)

        async def advice(action: Action, topic: str) -> bool:
            return await _agreed(
                [
                    plugin.topic_filtering(session=session, topic=topic, action=_ACTIONS[action])
                    for plugin in self._topics
                ]
            )

        return advice

    async def close(self) -> None:
        for plugin in self._plugins:
            for name in ("on_broker_pre_shutdown", "close"):
                if (end := getattr(plugin, name, None)) is not None:
                    await end()


async def _login_answer(plugin: BaseAuthPlugin, session: Session) -> bool | None:
    if isinstance(plugin, FileAuthPlugin):
        # It hashes where it is called: a tenth of a second that the loop has not.
        return await asyncio.to_thread(asyncio.run, plugin.authenticate(session=session))
    return await plugin.authenticate(session=session)


async def _agreed(asked: Sequence[Any]) -> bool:
    """A plugin that fails or takes too long has said no."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN_S):
            answers = await asyncio.gather(*asked)
    except Exception as error:
        _log.error("a plugin gave no answer", why=repr(error))
        return False
    given = [answer for answer in answers if answer is not None]
    return bool(given) and all(given)


def _session(login: Login) -> Session:
    session = Session()
    session.client_id = login.client
    session.username = login.username
    session.password = (login.password or b"").decode(errors="replace") or None
    host, _, port = login.address.rpartition(":")
    session.remote_address, session.remote_port = host.strip("[]"), int(port or 0)
    return session


def _made(use: PluginUse) -> BasePlugin[Any]:
    module, _, name = use.path.rpartition(".")
    try:
        made: Any = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise PluginError(f"plugin {use.path!r} cannot be loaded: {error}") from error
    if not (inspect.isclass(made) and issubclass(made, (BaseAuthPlugin, BaseTopicPlugin))):
        raise PluginError(f"{use.path!r} is no plugin for logins or topics")
    context = BaseContext()
    context.loop = asyncio.get_running_loop()
    context.logger = logging.getLogger(use.path)
    try:
        # amqtt types its contexts by its own broker; plugins read `config` alone.
        config: Any = from_dict(
            made.Config, dict(use.config), Config(cast=[enum.Enum, Path], strict=True)
        )
        context.config = config
        return made(context)
    except (DaciteError, ValueError, TypeError) as error:
        raise PluginError(f"plugin {use.path!r}: {error}") from error
    except Exception as error:  # theirs have exceptions of their own
        raise PluginError(f"plugin {use.path!r} does not start: {error}") from error
