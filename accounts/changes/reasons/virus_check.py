"""Asks a virus scanner about a file: ClamAV's daemon, or another one that answers INSTREAM as it does."""

import socket
import struct
from typing import Final

TIMEOUT_S: Final = 20
PART: Final = 64 * 1024
ANSWER_MAX: Final = 4096


class NotScanned(Exception):
    """The scanner gave no answer that says whether a file is clean. The text says why, for operators."""


def virus_in(content: bytes, scanner: tuple[str, int]) -> str | None:
    """Return the name of the virus in a file, or None if there is none. Raises NotScanned.

    Only an answer that says "OK" means none: the scanner also answers when a file is too large for it, or when it has a fault.
    """
    try:
        with socket.create_connection(scanner, timeout=TIMEOUT_S) as connection:
            connection.sendall(b"zINSTREAM\0")
            for begin in range(0, len(content), PART):
                part = content[begin : begin + PART]
                connection.sendall(struct.pack("!L", len(part)) + part)
            connection.sendall(struct.pack("!L", 0))
            answer = _answer_of(connection)
    except OSError as error:
        raise NotScanned(f"{scanner[0]}:{scanner[1]}: {error}") from error
    if answer == "stream: OK":
        return None
    if answer.startswith("stream: ") and answer.endswith(" FOUND"):
        return answer.removeprefix("stream: ").removesuffix(" FOUND")
    raise NotScanned(f"{scanner[0]}:{scanner[1]} answered {answer[:200]!r}")


def _answer_of(connection: socket.socket) -> str:
    answer = b""
    while b"\0" not in answer and len(answer) < ANSWER_MAX and (part := connection.recv(ANSWER_MAX)):
        answer += part
    return answer.partition(b"\0")[0].decode("utf-8", "replace").strip()
