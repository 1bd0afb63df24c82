"""Access tokens of the LiveKit protocol, made as an application's own server makes them."""

import time

import jwt


def token(key, secret, room, identity, name=None, **grants):
    """A token with which `identity`, called `name`, may join `room`."""
    now = int(time.time())
    claims = {
        "iss": key,
        "sub": identity,
        "nbf": now - 5,
        "exp": now + 3600,
        "name": name or identity,
        "video": {"room": room, "roomJoin": True, **grants},
    }
    return jwt.encode(claims, secret, algorithm="HS256")
