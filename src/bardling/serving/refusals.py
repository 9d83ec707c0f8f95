"""What a client hears whose request is not answered, in the shape of OpenAI's errors."""

import json
import logging
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from bardling.errors import BardlingError, GenerationError, UsageError
from bardling.serving.asking import Closing, Overloaded

LOG = logging.getLogger("bardling.serving")
"""What went wrong in the server itself; without a set-up Python writes it to the error channel."""
SOON = {"retry-after": "1"}
"""Seconds after which it may be tried again."""


class Refused(Exception):
    """A request that is not answered, with the status that says why."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code = status, message, param, code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """Return what is sent."""
        kinds = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
        kind = "server_error" if self.status >= 500 else "invalid_request_error"
        return {
            "error": {
                "message": self.message,
                "type": kinds.get(self.status, kind),
                "param": self.param,
                "code": self.code,
            }
        }

    def response(self) -> Response:
        """Return the answer that says so."""
        return json_response(self.body(), self.status, self.headers)


def refused(error: BardlingError) -> Refused:
    """Return how a stated error is told to a client."""
    match error:
        case Overloaded():
            return Refused(429, str(error), code="overloaded", headers=SOON)
        case Closing():
            return leaving()
        case GenerationError() | UsageError():
            return Refused(400, str(error))
    LOG.error("%s: %s", type(error).__name__, error)
    return Refused(500, "the server cannot do that; its own log says why")


def failed() -> Refused:
    """Return what is told where nobody had thought of what went wrong."""
    return Refused(500, "the server failed; its own log says why")


def leaving() -> Refused:
    """Return what is told to everybody once the server has been told to go."""
    return Refused(503, "the server is going down", code="closing", headers=SOON)


def json_response(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return an answer in JSON; its numbers are finite, and its text may be any."""
    return Response(
        json_line(value), status_code=status, headers=headers, media_type="application/json"
    )


def json_line(value: object) -> bytes:
    """Return JSON in one line. Halves of surrogate pairs stay escaped, since UTF-8 has none."""
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
