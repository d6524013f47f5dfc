"""The Auth endpoints (gateway.md 4)."""

from __future__ import annotations

from bot.paper.answers import Answer, refused
from bot.paper.fields import Members
from bot.paper.state import State
from bot.paper.tokens import Claims, Tokens

INVALID_CREDENTIALS, APP_NOT_FOUND, EXPIRED_TOKEN = 3, 4, 3


class Logins:
    """One user with one key; tokens coexist."""

    def __init__(self, state: State, tokens: Tokens) -> None:
        self._state, self._tokens = state, tokens

    def login_key(self, body: Members, ts: int) -> Answer:
        """A token, or code 3 for a wrong pair; the user name's case does not matter."""
        user, key = body.text("userName"), body.text("apiKey")
        config = self._state.config
        if user.casefold() != config.username.casefold() or key != config.api_key:
            return refused(INVALID_CREDENTIALS, token=None)
        return Answer(payload={"token": self._tokens.issue(config.username, ts)})

    def login_app(self, body: Members) -> Answer:
        """Always code 4: keys are the only way."""
        for name in ("userName", "password", "deviceId", "appId", "verifyKey"):
            body.text(name)
        return refused(APP_NOT_FOUND, token=None)

    def validate(self, claims: Claims, ts: int) -> Answer:
        """A fresh token; the old one keeps its own life."""
        if self._state.options.validate_revokes_old:
            self._tokens.revoke(claims, ts)
        return Answer(payload={"newToken": self._tokens.issue(claims.sub, ts)})

    def expired(self) -> Answer:
        """The other answer to an expired token, under `validate_expired = code3`."""
        return refused(EXPIRED_TOKEN, newToken=None)

    def logout(self, claims: Claims, ts: int) -> Answer:
        """End this token, or all of the user."""
        self._tokens.revoke(claims, ts, whole_user=self._state.options.logout_scope == "user")
        return Answer()
