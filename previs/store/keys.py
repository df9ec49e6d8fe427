"""Define the layout of a store: the key of every file.

A key is a path of parts joined by ``/``, the same in S3 and in a folder. Names that people give (boards, runs) become
safe parts first, so a name never becomes a path.
"""

import hashlib
import logging
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final, TypeVar

from previs.text.visible import visible

T = TypeVar("T")

FRAMES: Final = "frames/"
TAKES: Final = "takes/"
BOARDS: Final = "boards/"
REFERENCES: Final = "references/"
LISTS: Final = "lists/"
INPUTS: Final = "inputs/"
CLAIMS: Final = "claims/"
NIGHTLY: Final = "nightly/"
REVIEWS: Final = "reviews/"
GUESTS: Final = "guests/"
KINDS: Final = (FRAMES, TAKES, BOARDS, LISTS, INPUTS, CLAIMS, NIGHTLY, REVIEWS, GUESTS)
"""Folders that previs writes to."""
_LEASES: Final = f"{CLAIMS}takes/"
_HEARTBEATS: Final = f"{CLAIMS}runs/"
OF_THE_MOMENT: Final = (_LEASES, _HEARTBEATS)
"""Folders whose files say what runs do now, and nothing once no run lives: a loss of power may take them."""

# S3 accepts keys of at most 1024 bytes.
_LONGEST_KEY: Final = 1024
# 60 characters of 4 bytes and a digest of 11 stay below the 255 bytes that file systems allow for a name.
_LONGEST_NAME: Final = 60
_DIGEST_SIGN: Final = "~"
# Windows forbids the first nine in file names; S3 advises against the others; # and % change a URL.
_UNSAFE: Final = frozenset('/\\:*?"<>|' + "#%{}^[]`" + _DIGEST_SIGN)
# Control, format and surrogate characters, and all white space except the plain blank.
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
# Windows reserves device names in every folder, case and extension, also with the superscript digits 1 to 3.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)
_LONGEST_NORMALIZED: Final = 1_000  # the time for many accents on one letter grows with their square
_LATEST: Final = "latest.json"
_PICKS: Final = "picks"
_NUMBERS: Final = "numbers"
_RESERVED: Final = frozenset({_LATEST, _PICKS, _NUMBERS})
_SHOWN: Final = 60
_LOG: Final = logging.getLogger("previs.store")
_PLAIN_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}")


def part(name: str) -> str:
    """Return a name as one part of a key: readable, never a path, hidden, an option, or that of another name.

    Letters of every script, blanks and most punctuation stay. If anything is replaced or cut, a digest of the whole
    name follows, such as ``act_1~0a4d55a8d7``. The digest's ``~`` is itself replaced in names, so another name has this
    part only if its digest begins with the same 40 bits, which happens by intent. Names that differ only in Unicode
    normalisation are the same name. Names that differ only in case have different keys, but one file where the file
    system ignores case.
    """
    if len(name) <= _LONGEST_NORMALIZED:
        name = unicodedata.normalize("NFC", name)
    safe = "".join("_" if _is_unsafe(character) else character for character in name)[:_LONGEST_NAME]
    # Windows drops blanks and dots at the end. A dot at the start hides a file, and two of them are the parent folder.
    # A dash at the start makes a file name an option of commands.
    safe = re.sub(r"^[-. ]|[. ]$", "_", safe)
    if not safe or _DEVICE.match(safe) or safe.lower() in _RESERVED:
        safe = "_" + safe[: _LONGEST_NAME - 1]
    if safe == name:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe}{_DIGEST_SIGN}{digest[:10]}"


def _is_unsafe(character: str) -> bool:
    return character != " " and (character in _UNSAFE or unicodedata.category(character) in _UNSAFE_CATEGORIES)


def frame_key(sha256: str, suffix: str) -> str:
    """Return the key of a frame, named by its content.

    Args:
        sha256: SHA-256 of the frame's bytes, hexadecimal.
        suffix: Suffix of the server's file name, such as ``.png``; the key omits any but a short plain one.
    """
    lowered = suffix.lower()
    return f"{FRAMES}{sha256[:2]}/{sha256}{lowered if _PLAIN_SUFFIX.fullmatch(lowered) else ''}"


def take_key(fingerprint: str) -> str:
    """Return the key of a take's record."""
    return f"{TAKES}{fingerprint}.json"


def board_prefix(board: str) -> str:
    """Return the prefix of all runs of a board, with its closing slash."""
    return f"{BOARDS}{part(board)}/"


def run_prefix(board: str, run: str) -> str:
    """Return the prefix of all files of a run, with its closing slash."""
    return f"{board_prefix(board)}{part(run)}/"


def run_key(board: str, run: str, name: str) -> str:
    """Return the key of a run's file, such as its ``manifest.json`` or ``index.html``."""
    return run_prefix(board, run) + part(name)


def latest_key(board: str) -> str:
    """Return the key of the file that names a board's latest run; no run's name can collide with it."""
    return board_prefix(board) + _LATEST


def picks_prefix(board: str) -> str:
    """Return the prefix of a board's picks; no run's name can collide with it."""
    return f"{board_prefix(board)}{_PICKS}/"


def pick_key(board: str, shot_id: str) -> str:
    """Return the key of a shot's pick."""
    return f"{picks_prefix(board)}{part(shot_id)}.json"


def numbers_prefix(board: str) -> str:
    """Return the prefix of a board's run numbers; no run's name can collide with it."""
    return f"{board_prefix(board)}{_NUMBERS}/"


def number_key(board: str, number: int) -> str:
    """Return the key of the record that says which run has a number."""
    return f"{numbers_prefix(board)}{number}.json"


def nightly_key(board: str) -> str:
    """Return the key of a nightly board's record."""
    return f"{NIGHTLY}{part(board)}.json"


def reviews_prefix(board: str, shot_id: str | None = None) -> str:
    """Return the prefix of what people said of a board, or of one of its shots, with its closing slash."""
    prefix = f"{REVIEWS}{part(board)}/"
    return prefix if shot_id is None else f"{prefix}{part(shot_id)}/"


def review_key(board: str, shot_id: str, number: int) -> str:
    """Return the key of one event of a shot, numbered from 1, so that keys sort in the order of the events."""
    return f"{reviews_prefix(board, shot_id)}{number:06d}.json"


def guest_key(guest: str) -> str:
    """Return the key of a guest link by its ID."""
    return f"{GUESTS}{part(guest)}.json"


def input_key(sha256: str, suffix: str) -> str:
    """Return the key of an input picture, named by the SHA-256 of its bytes as a server got them."""
    return f"{INPUTS}{sha256[:2]}/{sha256}{suffix}"


def leases_prefix(fingerprint: str) -> str:
    """Return the prefix of all leases of a take."""
    return f"{_LEASES}{fingerprint}/"


def lease_key(fingerprint: str, number: int) -> str:
    """Return the key of a lease, numbered from 0, so that keys sort in the order of the leases."""
    return f"{leases_prefix(fingerprint)}{number:06d}.json"


def heartbeat_key(run: str) -> str:
    """Return the key of a run's heartbeat."""
    return f"{_HEARTBEATS}{part(run)}.json"


def cancelled_key(prompt_id: str) -> str:
    """Return the key of the mark on a prompt that a run has cancelled while it was at work."""
    return f"{CLAIMS}cancelled/{part(prompt_id)}.json"


def shot_list_key(sha256: str) -> str:
    """Return the key of a shot list that is too large for a flow's parameters, named by its content."""
    return f"{LISTS}{sha256}.json"


def fault_of(key: str) -> str | None:
    """Return why no store can use a key, or None if it can be used.

    A key may come from a file that somebody else wrote, and might lead out of the store.
    """
    if not key or any(segment in {"", ".", ".."} for segment in key.split("/")):
        return "every part of a key needs a name other than . and .."
    printable = key.isprintable()
    if "\\" in key or (not printable and any(unicodedata.category(each) in {"Cc", "Cs"} for each in key)):
        return "a key contains no backslash, control character or half of a surrogate pair"
    if len(key.encode()) > _LONGEST_KEY:
        return f"a key is at most {_LONGEST_KEY} bytes long"
    return None


def without_faults(listed: Mapping[str, T], store: str, fault: Callable[[str], str | None] = fault_of) -> dict[str, T]:
    """Return what was listed without the keys that no store can use, and log how many there are.

    Whoever may write to a store could otherwise stop everything that reads what it lists.

    Args:
        listed: Files by key.
        store: Name of the store.
        fault: Function that returns why the store cannot use a key.
    """
    faults = {key: reason for key in listed if (reason := fault(key)) is not None}
    if faults:
        key, reason = next(iter(faults.items()))
        _LOG.warning(
            "%s: %d file(s) whose names cannot be used are left out, such as %s: %s; remove or rename them",
            *(store, len(faults), visible(key[:_SHOWN]), reason),
        )
    return {key: each for key, each in listed.items() if key not in faults}


def below(prefix: str) -> str:
    """Return a prefix as a folder: with one closing slash, or empty for the whole store."""
    stripped = prefix.strip("/")
    return f"{stripped}/" if stripped else ""
