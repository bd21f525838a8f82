"""Who a client is, and the tokens by which it shows it."""

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum

TOKEN_BYTES = 24


class Role(StrEnum):
    ANONYMOUS = "anonymous"
    DEVICE = "device"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Identity:
    """Who authenticated. `device` is the device a device credential speaks for, else None."""

    role: Role
    name: str
    device: str | None = None


ANONYMOUS = Identity(Role.ANONYMOUS, "anonymous")


@dataclass(frozen=True, slots=True)
class Credential:
    """A row of the credential table. The token itself is shown once, when it is made."""

    name: str
    role: Role
    token_hash: str
    created_at: float
    revoked_at: float | None = None

    def identity(self) -> Identity:
        return Identity(self.role, self.name, self.name if self.role is Role.DEVICE else None)


def new_token() -> str:
    """A fresh secret of 192 random bits in URL-safe text."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: bytes) -> str:
    """What is stored of a token. SHA-256 suffices: the token is random, not chosen by a person."""
    return hashlib.sha256(token).hexdigest()


def token_matches(token: bytes, token_hash: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(hash_token(token), token_hash)
