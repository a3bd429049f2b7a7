from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from rec_lightning.contracts import Tables
from rec_lightning.data.audit.run import audit
from rec_lightning.data.module import RecData
from rec_lightning.data.privacy.mask import Mask
from rec_lightning.data.privacy.patterns import PATTERNS
from rec_lightning.data.privacy.pseudonyms import VARIABLE, Pseudonyms
from rec_lightning.data.sources.synthetic import Synthetic
from rec_lightning.data.split import LeaveOneOut

KEY = "a key of at least sixteen bytes"
TEXTS = {
    "e-mail": "write ann.b@mail.example.org now",
    "phone": "call +49 30 1234 5678 now",
    "card": "pay 4539 1488 0343 6467 now",
    "address": "at 12 Long Hill Road now",
    "ip address": "from 192.168.17.4 now",
}


class Given(Synthetic):
    """Synthetic data with personal data in the texts and a user table."""

    def fetch(self) -> Tables:
        tables = super().fetch()
        title = pl.Series("title", [*TEXTS.values(), *["harmless 1999"] * (self.items - len(TEXTS))])
        genres = pl.Series("genres", [["x", "a@b.org"]] * self.items)
        users = tables.users.with_columns(name=pl.lit("Ann <ann@example.org>"))
        return replace(tables, items=tables.items.with_columns(title, genres), users=users)


@pytest.fixture
def key(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv(VARIABLE, KEY)
    return KEY


def test_pseudonyms_are_keyed_digests_everywhere(key: str) -> None:
    before = Synthetic(users=9).fetch()
    after = Pseudonyms()(before)
    wanted = [
        hmac.new(key.encode(), str(u).encode(), hashlib.sha256).hexdigest()[:32] for u in before.interactions["user"]
    ]
    assert after.interactions["user"].to_list() == wanted
    assert set(after.users["user"]) == set(wanted)
    assert after.interactions.drop("user").equals(before.interactions.drop("user"))
    assert before.users["user"].dtype == pl.Int64  # the input is not touched


def test_another_key_gives_others_and_prepares_anew(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    keys, ids = set(), set()
    for text in (KEY, KEY, KEY + "!"):
        monkeypatch.setenv(VARIABLE, text)
        data = RecData(Synthetic(users=9), LeaveOneOut(), 10, privacy={"pseudonyms": Pseudonyms()})
        data.prepare()
        keys.add(data.facts.key)
        ids.add(tuple(data.sequences.users))
    assert (len(keys), len(ids)) == (2, 2)


def test_neither_the_key_nor_an_id_is_stored(key: str, cache: Path) -> None:
    source = Given(users=9)
    guards = {"mask": Mask(), "pseudonyms": Pseudonyms()}
    data = RecData(source, LeaveOneOut(), 10, privacy=guards)
    data.prepare()
    assert data.catalog.users.equals(data.tables.users.sort("user"))
    assert data.catalog.users["name"].unique().to_list() == ["Ann <[e-mail]>"]
    for file in cache.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        assert key.encode() not in content, file
        assert b"ann@example.org" not in content, file
    assert key not in repr(guards)
    graded = {f.check: f.grade for f in audit(data).findings}
    assert (
        graded["user ids"] == graded["e-mail in texts"] == graded["card in texts"] == graded["phone in texts"] == "good"
    )


def test_the_key_may_come_from_a_file_of_its_owner(tmp_path: Path, key: str) -> None:
    file = tmp_path / "key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    tables = Synthetic(users=9).fetch()
    assert Pseudonyms(str(file))(tables).users.equals(Pseudonyms()(tables).users)
    file.chmod(0o640)
    with pytest.raises(ValueError, match=rf"for its owner only \(mode 600\), got 640 for {file}\. Run chmod 600\."):
        Pseudonyms(str(file))


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Pseudonyms(),
            f"pseudonyms need a key, and {VARIABLE} is not set. Set it, or data.privacy.*.key_file.",
        ),
        (
            lambda: Pseudonyms("no.key"),
            f"pseudonyms need a key, and no.key does not exist. Set key_file, or {VARIABLE}.",
        ),
        (
            lambda: Mask(["name"]),
            "data.privacy.mask.kinds must be some of e-mail, phone, card, address, ip address, got",
        ),
        (lambda: Mask([]), "got none. Set it."),
    ],
)
def test_options(make: Any, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(ValueError, match=re.escape(text)):
        make()


def test_a_short_key_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "secret")
    with pytest.raises(ValueError, match=rf"at least 16 bytes, got 6 in {VARIABLE}") as caught:
        Pseudonyms()
    assert "secret" not in str(caught.value)


def test_masks_by_kind_in_texts_and_lists() -> None:
    source = Given(users=9)
    after = Mask(list(PATTERNS))(source.fetch())
    start = [f"{text.split()[0]} [{kind}] now" for kind, text in TEXTS.items()]
    assert after.items["title"].to_list() == [*start, *["harmless 1999"] * (source.items - len(start))]
    assert after.items["genres"][0].to_list() == ["x", "[e-mail]"]
    assert after.users["name"].unique().to_list() == ["Ann <[e-mail]>"]
    only = Mask(["card"])(source.fetch())
    assert only.items["title"][0] == TEXTS["e-mail"]
