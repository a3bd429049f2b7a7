"""Privacy and security: personal data in texts, how many people look alike, file permissions, ids.

Patterns find what looks like personal data; they miss some and take some harmless text for it, so a hit is a reason to
look, not a proof. Examples are masked: an audit must not spread what it found.

k-anonymity: L. Sweeney, "k-anonymity: a model for protecting privacy", IJUFKS 10(5), 2002.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from rec_lightning.contracts import USER
from rec_lightning.data.audit.finding import Finding, Grade, Subject, share
from rec_lightning.data.privacy.patterns import PATTERNS

# names of products look like these too
_VAGUE = ("address", "ip address")


def privacy(subject: Subject) -> Iterator[Finding]:
    """All findings about privacy and security."""
    yield from _personal(subject)
    yield from _alike(subject)
    yield _ids(subject)
    yield from _permissions(subject)


def _personal(subject: Subject) -> Iterator[Finding]:
    texts = subject.texts()
    for kind, pattern in PATTERNS.items():
        count, places, example = 0, [], ""
        for table, column, values in texts:
            hits = values.filter(values.str.contains(pattern).fill_null(False))
            found = [
                m.group() for text in hits for m in re.finditer(pattern, text) if kind != "card" or luhn(m.group())
            ]
            if found:
                count, example = count + len(found), example or masked(found[0])
                places.append(f"{table}.{column}: {len(found)}")
        yield Finding(
            "privacy",
            f"{kind} in texts",
            "good" if not count else "warning" if kind in _VAGUE else "failure",
            f"{count} found",
            f"{', '.join(places)}; such as {example}" if count else f"looked through {len(texts)} columns of texts",
            f"Mask them before a model reads the text: data/privacy=mask data.privacy.mask.kinds=[{kind}]."
            if count
            else "",
        )


def luhn(number: str) -> bool:
    """Whether the check digit of a card number is right.

    Example:
        >>> luhn("4539 1488 0343 6467"), luhn("4539 1488 0343 6468")
        (True, False)
    """
    digits = [int(c) for c in reversed(number) if c.isdigit()]
    doubled = [d if n % 2 == 0 else sum(divmod(2 * d, 10)) for n, d in enumerate(digits)]
    return len(set(digits)) > 1 and sum(doubled) % 10 == 0


def masked(text: str) -> str:
    """The first and last character, and how long it is.

    Example:
        >>> masked("ann@example.org")
        'a...g (15 characters)'
    """
    return f"{text[0]}...{text[-1]} ({len(text)} characters)"


def _alike(subject: Subject) -> Iterator[Finding]:
    users = subject.tables.users
    fields = [column for column in users.columns if column != USER]
    if not fields or users.is_empty():
        yield Finding("privacy", "k-anonymity of users", "good", "no fields", "the user table describes nobody")
        return
    groups = users.group_by(fields).len()["len"]
    alone, least = int((groups == 1).sum()), int(groups.min())  # type: ignore[arg-type]
    grade: Grade = "good" if least >= 5 else "warning" if alone > 0.05 * users.height else "note"
    yield Finding(
        "privacy",
        "k-anonymity of users",
        grade,
        f"k = {least}",
        f"{share(alone, users.height)} users are the only one with their {', '.join(fields)}",
        f"Coarsen or drop {_sharpest(users, fields)}: age groups, regions instead of codes." if grade != "good" else "",
    )


def _sharpest(users: pl.DataFrame, fields: list[str]) -> str:
    """The field that tells people apart most."""
    return max(fields, key=lambda field: users[field].n_unique())


def _ids(subject: Subject) -> Finding:
    ids = subject.sequences.users
    if ids.dtype == pl.String:
        mails = int(ids.str.contains(PATTERNS["e-mail"]).sum())
        if mails:
            return Finding(
                "privacy",
                "user ids",
                "failure",
                f"{share(mails, len(ids))} are e-mail addresses",
                f"such as {masked(ids[0])}",
                "Replace them by keyed pseudonyms: data/privacy=pseudonyms.",
            )
        if bool(ids.str.contains(r"^[0-9a-f]{32,}$").all()):
            return Finding("privacy", "user ids", "good", "pseudonyms", "every id is a digest of at least 128 bits")
        return Finding(
            "privacy",
            "user ids",
            "warning",
            "ids of the source",
            f"texts such as {masked(ids[0])}",
            "Who has the source's accounts can name these users: use keyed pseudonyms, data/privacy=pseudonyms.",
        )
    return Finding(
        "privacy", "user ids", "note", "numbers", "numbers of the source", "Check that nobody can join them to names."
    )


def _permissions(subject: Subject) -> Iterator[Finding]:
    files = [Path(name) for name in subject.files if Path(name).is_file()]
    if not files:
        return
    open_ = [file for file in files if file.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)]
    written = [file for file in files if file.stat().st_mode & stat.S_IWOTH]
    yield Finding(
        "privacy",
        "file permissions",
        "failure" if written else "note" if open_ else "good",
        f"{share(len(open_), len(files))} readable by everybody",
        f"{len(written)} may be changed by everybody; {oct(stat.S_IMODE(files[0].stat().st_mode))[2:]} {files[0].name}",
        "Take the rights of others away: chmod o= on the files." if open_ else "",
    )
