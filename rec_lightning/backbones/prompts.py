"""Prompts: the history of a row and each candidate, rendered by a template into the tokens a language model reads.

The idea is that of K. Bao et al., "TALLRec: An Effective and Efficient Tuning Framework to Align Large Language Model
with Recommendation", RecSys 2023, https://arxiv.org/abs/2305.00447. What differs: the template is the user's; texts of
items are tokenised once, so a prompt is the tokens of its pieces, which are those of the whole text wherever the
tokenizer splits at the pieces' borders (as at lines and before spaces); a prompt that is too long loses its oldest
events, then its last examples, and what was lost is counted.

Relations: ``prompt_lm`` and ``prompt_encoder`` read them; ``shots`` chooses the solved examples in front.
"""

from __future__ import annotations

import copy
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from transformers import PreTrainedTokenizerBase

from rec_lightning.backbones.prompt_templates import compiled
from rec_lightning.backbones.prompt_texts import Changed, Ints, Texts
from rec_lightning.backbones.shots import Shots
from rec_lightning.contracts import Batch, Catalog, TextAugmentation

# B rows, C candidates, L length

# items stand in the rendered text as marks of the private use area, which no text of people holds
_MARK = "\ue000{}\ue001"
_MARKS = re.compile("( ?)\ue000(-?\\d+)\ue001")
_CANDIDATE = 0

Piece = str | tuple[int, bool]  # a text, or an item and whether a space stands before it


class Event(NamedTuple):
    """What a template sees of an event: its item, and its label as a word and as a number; none without one."""

    item: str
    word: str
    label: float | None


class Example(NamedTuple):
    """What a template sees of a solved example: an event, and the history before it."""

    history: list[Event]
    item: str
    word: str
    label: float | None


class MakesShots(Protocol):
    """Makes what draws the examples of a catalogue."""

    def __call__(self, catalog: Catalog) -> Shots: ...


@dataclass(frozen=True)
class Prompted:
    """The prompts of a batch.

    Args:
        ids: the tokens of each, B * C, candidates of a row beside each other.
        shared: tokens at the beginning that the candidates of a row have in common, B.
        cut: events that a row's prompts lost, B.
        without: examples that they lost, B.
    """

    ids: list[Ints] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    cut: list[int] = field(default_factory=list)
    without: list[int] = field(default_factory=list)


class Prompts:
    """Renders batches.

    A kind that knows more names says in ``marks`` what stands for each, a number below 0, and in ``of_candidate`` which
    of them differ between candidates; its ``_ids`` knows their tokens.

    Args:
        catalog: has the columns that the templates name.
        tokenizer: of the model that reads them.
        words: how labels are called, in their order; none to write them as numbers.
        template: of a prompt, over ``history`` (events with ``item``, ``word`` and ``label``, oldest first),
            ``candidate``, ``user`` (columns of the user table) and ``examples`` (events with a ``history``).
        item: of an item, over the columns of the item table.
        max_tokens: longest prompt.
        longest: what the model takes at most; None for any.
        examples: draws solved examples; None for none.
        blank: texts that stand for no item, as the candidates N + 1, ...

    Raises:
        ValueError: a template names what is not there, or leaves the candidate or wanted examples out; or
            ``max_tokens`` is more than the model takes or less than a prompt without history.
    """

    marks: ClassVar[Mapping[str, int]] = {}
    of_candidate: ClassVar[frozenset[int]] = frozenset({_CANDIDATE})

    def __init__(
        self,
        catalog: Catalog,
        tokenizer: PreTrainedTokenizerBase,
        words: Sequence[str],
        template: str,
        item: str,
        max_tokens: int = 512,
        longest: int | None = None,
        examples: MakesShots | None = None,
        blank: Sequence[str] = (),
    ) -> None:
        if not 1 <= max_tokens <= (longest or max_tokens):
            raise ValueError(
                f"backbone.prompt.max_tokens must be 1..{longest or 'any'}, what the model takes, got {max_tokens}. "
                "Set backbone.prompt.max_tokens."
            )
        people = [column for column in catalog.users.columns if column != "user"]
        known = {"history": (), "candidate": (), "user": people, "examples": ()}
        known |= dict.fromkeys(self.marks, ())
        self.examples = examples(catalog=catalog) if examples else Shots(catalog)
        if self.examples.count and "examples" not in template:
            raise ValueError(
                f"backbone.prompt.examples.count={self.examples.count} has no effect on a template that names no "
                "examples. Set it to 0, or write {% for example in examples %} into backbone.prompt.template."
            )
        self.template = compiled(template, "backbone.prompt.template", known)
        of_item = compiled(item, "backbone.prompt.item", dict.fromkeys(catalog.items.columns, ()))
        self.users, self.words, self.max_tokens = catalog.users, [word.strip() for word in words], max_tokens
        items = [of_item.render(row) for row in catalog.items.iter_rows(named=True)]
        self.texts = Texts(tokenizer, [*items, *blank])
        self.size = catalog.size
        self.augmentation: TextAugmentation | None = None
        self._check(catalog.size)

    def __deepcopy__(self, memo: dict[int, Any]) -> Prompts:
        return self  # nothing in it changes while prompts are made, and compiled templates cannot be copied

    def augment(self, augmentation: TextAugmentation, catalog: Catalog) -> None:
        """From now on items have changed texts in training.

        Args:
            augmentation: draws a change by torch's generator.
            catalog: whose items these are.

        Raises:
            ValueError: none of the texts can change.
        """
        augmentation.prepare(catalog, self.texts.items[: self.size])
        self.augmentation = augmentation

    def _check(self, size: int) -> None:
        # with no user known to a template that asks for one, only the candidate can be looked for
        nobody = dict.fromkeys(self.users.columns)
        pieces = self._pieces([], [], nobody)
        if all(isinstance(piece, str) or piece[0] != _CANDIDATE for piece in pieces):
            raise ValueError(
                "backbone.prompt.template must name the candidate, and a prompt without history does not. "
                "Write {{ candidate }}."
            )
        least = self._length(pieces) + self.texts.longest
        if size and least > self.max_tokens:
            raise ValueError(
                f"a prompt without any history has up to {least} tokens, and backbone.prompt.max_tokens is "
                f"{self.max_tokens}. Raise it, or shorten backbone.prompt.template or backbone.prompt.item."
            )

    def __call__(self, batch: Batch, training: bool = False) -> Prompted:
        """The tokens of every row and candidate.

        Args:
            batch: of a task that scores.
            training: whether texts are changed, where an augmentation does; an item has one text in a row.

        Raises:
            ValueError: a prompt is too long even without history, or a label has no word.
        """
        assert batch.candidate is not None
        made = Prompted()
        history, candidate, user = batch.history.tolist(), batch.candidate.tolist(), batch.user.tolist()
        for row, items in enumerate(history):
            labels = [None] * len(items) if batch.feedback is None else batch.feedback[row].tolist()
            events = [self._event(item, label) for item, label in zip(items, labels, strict=True) if item]
            self._drawn(training)._add(made, events, self._shots(batch, row), candidate[row], self._person(user[row]))
        return made

    def _drawn(self, training: bool) -> Prompts:
        # the same over texts of one draw
        if self.augmentation is None or not training:
            return self
        drawn = copy.copy(self)
        drawn.texts = Changed(self.texts, self.augmentation, self.size)
        return drawn

    def _shots(self, batch: Batch, row: int) -> list[Example]:
        if not self.examples.count:
            return []
        assert batch.event is not None
        assert batch.target_time is not None
        found = self.examples.before(int(batch.event[row]), int(batch.target_time[row]))
        return [
            Example([self._event(*known) for known in zip(shot.items, shot.labels, strict=True)],
                    *self._event(shot.item, shot.label))
            for shot in found
        ]  # fmt: skip

    def _add(
        self,
        made: Prompted,
        events: list[Event],
        examples: list[Example],
        candidates: list[int],
        person: dict[str, object],
    ) -> None:
        sizes = [len(self.texts.item(i, spaced)) for i in candidates for spaced in (True, False)]
        pieces, lost, without = self._fitting(events, examples, person, self.max_tokens - max(sizes))
        own = [not isinstance(piece, str) and piece[0] in self.of_candidate for piece in pieces]
        first = own.index(True)
        before = np.concatenate([self.texts.head, *map(self._ids, pieces[:first])])
        for candidate in candidates:
            after = [self._ids(piece, candidate) for piece in pieces[first:]]
            made.ids.append(np.concatenate([before, *after, self.texts.tail]))
        made.shared.append(len(before))
        made.cut.append(lost)
        made.without.append(without)

    def _fitting(
        self, events: list[Event], examples: list[Example], person: dict[str, object], room: int
    ) -> tuple[list[Piece], int, int]:
        def of(newest: int, first: int) -> list[Piece]:
            return self._pieces(events[len(events) - newest :], examples[:first], person)

        # the newest events that fit, found by halving, since each more makes a prompt longer; then the first examples
        most, shown = len(events), len(examples)
        left, pieces = most, of(most, shown)
        if self._length(pieces) > room:
            left = bisect_right(range(most), room, key=lambda n: self._length(of(n + 1, shown)))
            pieces = of(left, shown)
        while self._length(pieces) > room and shown:
            shown -= 1
            pieces = of(left, shown)
        if self._length(pieces) > room:
            raise ValueError(
                f"a prompt without any history has {self._length(pieces) + self.max_tokens - room} tokens, and "
                f"backbone.prompt.max_tokens is {self.max_tokens}. Raise it, or shorten backbone.prompt.template."
            )
        return pieces, most - left, len(examples) - shown

    def _pieces(self, events: list[Event], examples: list[Example], person: dict[str, object]) -> list[Piece]:
        shown: dict[str, Any] = {
            "history": events,
            "examples": examples,
            "user": person,
            "candidate": _MARK.format(_CANDIDATE),
        }
        shown |= {name: _MARK.format(number) for name, number in self.marks.items()}
        return _split(self.template.render(shown))

    def _length(self, pieces: list[Piece]) -> int:
        # without the candidate
        return len(self.texts.head) + sum(len(self._ids(piece)) for piece in pieces) + len(self.texts.tail)

    def _ids(self, piece: Piece, candidate: int = _CANDIDATE) -> Ints:
        if isinstance(piece, str):
            return self.texts.between(piece)
        item = candidate if piece[0] == _CANDIDATE else piece[0]
        return self.texts.item(item, piece[1]) if item else np.empty(0, np.int64)

    def _event(self, item: int, label: float | None) -> Event:
        if label is None or np.isnan(label):
            return Event(_MARK.format(item), "", None)
        if self.words and not 0 <= label < len(self.words):
            raise ValueError(
                f"backbone.words must have a word for each label, got {len(self.words)} and the label {label:g}. "
                "Set backbone.words, or another label."
            )
        return Event(_MARK.format(item), self.words[int(label)] if self.words else f"{label:g}", label)

    def _person(self, user: int) -> dict[str, object]:
        if 0 <= user < self.users.height:
            return self.users.row(user, named=True)
        return dict.fromkeys(self.users.columns)


def _split(text: str) -> list[Piece]:
    found: list[Piece] = []
    parts = _MARKS.split(text)  # text, space, item, text, space, item, ..., text
    for at in range(0, len(parts), 3):
        if parts[at]:
            found.append(parts[at])
        if at + 2 < len(parts):
            found.append((int(parts[at + 2]), bool(parts[at + 1])))
    return found
