"""The smallest applications that answer a POST with fixed bytes, to compare ways of serving."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fastapi import FastAPI, Request, Response

ANSWER = b"\x30\x82\x01\xf0" + bytes(500)
"""As long as an OCSP answer with a P-256 signature and the responder's certificate left out."""

HEADERS = [
    (b"content-type", b"application/ocsp-response"),
    (b"content-length", str(len(ANSWER)).encode()),
]

Message = MutableMapping[str, Any]

framework = FastAPI(openapi_url=None)


@framework.post("/")
async def answer(request: Request) -> Response:
    """Read the body and answer through the framework."""
    await request.body()
    return Response(ANSWER, media_type="application/ocsp-response")


async def bare(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Read the body and answer with nothing between the server and these lines."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": ANSWER})
