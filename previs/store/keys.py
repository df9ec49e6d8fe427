"""The layout of a store: which file has which key.

A key is a path of parts joined by ``/``, the same in S3 and in a folder. What people name (boards, runs) is made a safe
part first, so a name never becomes a path.
"""

import hashlib
import re
import unicodedata
from typing import Final

FRAMES: Final = "frames/"
TAKES: Final = "takes/"
BOARDS: Final = "boards/"
REFERENCES: Final = "references/"
LISTS: Final = "lists/"
INPUTS: Final = "inputs/"
CLAIMS: Final = "claims/"
NIGHTLY: Final = "nightly/"

# S3 takes keys of at most 1024 bytes.
_LONGEST_KEY: Final = 1024
# 60 characters of 4 bytes and a mark of 11 stay below the 255 bytes that file systems allow a name.
_LONGEST_NAME: Final = 60
_MARK: Final = "~"
# Windows allows none of the first nine in a file name; S3 advises against the others; # and % change an address.
_UNSAFE: Final = frozenset('/\\:*?"<>|' + "#%{}^[]`" + _MARK)
# Control, format and surrogate characters, and every white space but the plain blank.
_UNSAFE_CATEGORIES: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
# Devices of Windows, which it sees in any folder, case and extension; the digits 1 to 3 count when raised, too.
_DEVICE: Final = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])(\.|$)", re.IGNORECASE)
_LATEST: Final = "latest.json"
_PICKS: Final = "picks"
_NUMBERS: Final = "numbers"
_RESERVED: Final = frozenset({_LATEST, _PICKS, _NUMBERS})
_PLAIN_SUFFIX: Final = re.compile(r"\.[a-z0-9]{1,8}")


def part(name: str) -> str:
    """A name as one part of a key: readable, and unable to climb, hide or collide.

    Letters of every script, blanks and most punctuation stay. Where anything had to be replaced or cut, a mark made
    from the whole name follows, such as ``act_1~0a4d55a8d7``; as the mark's ``~`` is itself replaced in names, two
    different names never share a part. Names that differ only in Unicode normalisation are the same name. Names that
    differ only in case have different keys, which is no difference to a folder whose file system ignores case.
    """
    name = unicodedata.normalize("NFC", name)
    safe = "".join("_" if _is_unsafe(character) else character for character in name)[:_LONGEST_NAME]
    # Windows drops blanks and dots at the end; a dot at the start hides a file and spells the parent folder.
    safe = re.sub(r"^[. ]|[. ]$", "_", safe)
    if not safe or _DEVICE.match(safe) or safe.lower() in _RESERVED:
        safe = "_" + safe[: _LONGEST_NAME - 1]
    if safe == name:
        return safe
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    return f"{safe}{_MARK}{digest[:10]}"


def _is_unsafe(character: str) -> bool:
    return character != " " and (character in _UNSAFE or unicodedata.category(character) in _UNSAFE_CATEGORIES)


def frame_key(sha256: str, suffix: str) -> str:
    """Where a frame is, named by its content.

    Args:
        sha256: of the frame's bytes, hexadecimal.
        suffix: of the file as the server named it, such as ``.png``; left out of the key where it is no plain suffix.
    """
    lowered = suffix.lower()
    return f"{FRAMES}{sha256[:2]}/{sha256}{lowered if _PLAIN_SUFFIX.fullmatch(lowered) else ''}"


def take_key(fingerprint: str) -> str:
    """Where the record of a take is."""
    return f"{TAKES}{fingerprint}.json"


def board_prefix(board: str) -> str:
    """What all runs of a board share, with its closing slash."""
    return f"{BOARDS}{part(board)}/"


def run_prefix(board: str, run: str) -> str:
    """What all files of one run share, with its closing slash."""
    return f"{board_prefix(board)}{part(run)}/"


def run_key(board: str, run: str, name: str) -> str:
    """Where a file of one run is, such as its ``manifest.json`` or ``index.html``."""
    return run_prefix(board, run) + part(name)


def latest_key(board: str) -> str:
    """Where a board says which run is its latest; no run can be named so that it is in the way."""
    return board_prefix(board) + _LATEST


def picks_prefix(board: str) -> str:
    """What the records of a board's chosen takes share; no run can be named so that it is in the way."""
    return f"{board_prefix(board)}{_PICKS}/"


def pick_key(board: str, shot_id: str) -> str:
    """Where it is recorded which take of a shot was chosen."""
    return f"{picks_prefix(board)}{part(shot_id)}.json"


def numbers_prefix(board: str) -> str:
    """What the records of a board's run numbers share; no run can be named so that it is in the way."""
    return f"{board_prefix(board)}{_NUMBERS}/"


def number_key(board: str, number: int) -> str:
    """Where it is recorded which run has a number."""
    return f"{numbers_prefix(board)}{number}.json"


def nightly_key(board: str) -> str:
    """Where it is kept that a board is rendered each night, and from what."""
    return f"{NIGHTLY}{part(board)}.json"


def input_key(sha256: str, suffix: str) -> str:
    """Where a picture is that a take was made from, named by the SHA-256 of its bytes as a server got them."""
    return f"{INPUTS}{sha256[:2]}/{sha256}{suffix}"


def claims_prefix(fingerprint: str) -> str:
    """What all claims to render one take share."""
    return f"{CLAIMS}takes/{fingerprint}/"


def claim_key(fingerprint: str, number: int) -> str:
    """Where a run says that it renders a take; numbered from 0, so that keys sort as the claims were made."""
    return f"{claims_prefix(fingerprint)}{number:06d}.json"


def beat_key(run: str) -> str:
    """Where a run says that it is still at work."""
    return f"{CLAIMS}runs/{part(run)}.json"


def shot_list_key(sha256: str) -> str:
    """Where a shot list too large for a flow's parameters is kept, named by its content."""
    return f"{LISTS}{sha256}.json"


def fault_of(key: str) -> str | None:
    """Why a key cannot be used in any store, or nothing if it can.

    A key may come from a file that somebody else wrote, so that it leads out of the store is not impossible.
    """
    if not key or any(segment in {"", ".", ".."} for segment in key.split("/")):
        return "every part of a key needs a name other than . and .."
    if "\\" in key or any(unicodedata.category(character) in {"Cc", "Cs"} for character in key):
        return "a key holds no backslash, control character or half of a surrogate pair"
    if len(key.encode()) > _LONGEST_KEY:
        return f"a key is at most {_LONGEST_KEY} bytes long"
    return None


def below(prefix: str) -> str:
    """A prefix as a folder: ended by one slash, or empty for the whole store."""
    stripped = prefix.strip("/")
    return f"{stripped}/" if stripped else ""
