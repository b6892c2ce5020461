"""API keys: only their SHA-256 hashes are kept. The keys are random and long, so a plain hash tells nothing of them.

keys = read_keys(ApiSettings())
keys.owner("sv-...")            # the key's name, or None
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass

from assistant.api.settings import ApiSettings
from retrieval.errors import SettingsError

PREFIX = "sv-"  # lets a leaked key be recognised by scanners
KEY_BYTES = 32
_ENTRY = re.compile(r"(?:(?P<name>[\w.@-]{1,64}):)?(?P<hash>[0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class Keys:
    """Names by hash; empty: anyone may ask."""

    names: dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.names)

    def owner(self, key: str) -> str | None:
        """The name of a valid key. Takes the same time whichever hash fits."""
        digest, found = hash_key(key), None
        for known, name in self.names.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found


def new_key() -> str:
    return PREFIX + secrets.token_urlsafe(KEY_BYTES)


def hash_key(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()


def read_keys(settings: ApiSettings) -> Keys:
    """The keys of the variable and of the file. Raises `SettingsError`, which never repeats an entry: it may be a key."""
    entries = [("SAVIA_API_KEYS", entry) for entry in settings.keys.split(",")]
    if settings.keys_file:
        try:
            lines = settings.keys_file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(
                f"The file of keys {settings.keys_file} cannot be read.", "Correct SAVIA_API_KEYS_FILE."
            ) from error
        entries += [(f"{settings.keys_file} line {n}", line.partition("#")[0]) for n, line in enumerate(lines, 1)]
    return Keys(dict(_read_entries(entries)))


def _read_entries(entries: Iterable[tuple[str, str]]) -> Iterable[tuple[str, str]]:
    for place, entry in entries:
        if not entry.strip():
            continue
        match = _ENTRY.fullmatch(entry.strip())
        if match is None:
            raise SettingsError(
                f"{place} holds something that is no SHA-256 hash of a key.", "Make one: savia serve --new-key"
            )
        digest = match["hash"].lower()
        yield digest, match["name"] or digest[:8]
