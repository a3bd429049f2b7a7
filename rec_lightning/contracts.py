"""What the rooms agree on: column names, padding, the batch, the ranking, and the Protocols of the parts.

Said once, here: item index 0 is padding and items are 1..N; histories are right-padded, so causal attention
needs no padding mask. Nothing of this project is imported here, and every room may import it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from itertools import accumulate
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

# B batch, L length, D width, N items, P positions that count, S seen items of all users of a batch, U users, E events,
# C candidates, K outputs of a scoring head, M scored candidates

PAD = 0

# columns of the canonical tables
USER, ITEM, TIMESTAMP, ORDER, PART = "user", "item", "timestamp", "order", "part"
RATING, LABEL, EVENT, WEIGHT = "rating", "label", "event", "weight"

Stage = Literal["val", "test"]
Target = Literal["items", "backbone", "all"]
Kind = Literal["binary", "number", "classes"]  # of a label

# columns of ``Catalog.events``: whether the event trains; how many events of its user do
TRAINS, KNOWN = "trains", "known"


@dataclass(frozen=True)
class Tables:
    """Canonical tables of one data set, ids as in the source.

    Args:
        interactions: columns ``user, item`` and, where they are known, ``timestamp`` (seconds since 1970) or
            ``order`` (a number that sorts the events of a user and says no time), ``rating, label, event, weight``
            and context; rows in the source's order (it decides between equal times, or alone).
        items: one row an item, column ``item`` and any text, category or number fields.
        users: one row a user, column ``user`` and any fields; may have no rows.
        name: short name of the data set.
        licence: what its owner allows.
        source: where it was read from.
        fingerprint: sha256 over the content; equal content gives an equal fingerprint.
    """

    interactions: pl.DataFrame
    items: pl.DataFrame
    users: pl.DataFrame
    name: str
    licence: str
    source: str
    fingerprint: str


@dataclass(frozen=True)
class Catalog:
    """The items and users a model knows; it lives beside the model, never in a batch.

    Args:
        items: N rows; row ``i`` describes item index ``i + 1``. Column ``item`` is the id of the source.
        popularity: (N + 1,) int64, interactions in the training part; 0 at the padding.
        users: U rows; row ``u`` describes row ``u`` of ``Sequences.users``, with nulls where the source says nothing.
            Column ``user`` is the id of the source. No rows where nobody asks for users.
        events: E rows; row ``e`` describes event ``e`` of ``Sequences``: columns ``trains`` and ``known``, and its
            context. No rows where nothing is scored.
        sequences: all events, for who measures lists by what a user did in training; None where they are not known.
    """

    items: pl.DataFrame
    popularity: NDArray[np.int64]
    users: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={USER: pl.String}))
    events: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema={TRAINS: pl.Boolean, KNOWN: pl.Int64}))
    sequences: Sequences | None = None

    @property
    def size(self) -> int:
        """Number of items N, padding not counted."""
        return self.items.height

    @staticmethod
    def empty(columns: Iterable[str], user_columns: Iterable[str] = ()) -> Catalog:
        """A catalogue of no items and no users, with which a model is put together before any data is read."""
        items, users = (dict.fromkeys([key, *c], pl.String) for key, c in ((ITEM, columns), (USER, user_columns)))
        return Catalog(pl.DataFrame(schema=items), np.zeros(1, np.int64), pl.DataFrame(schema=users))


@dataclass(frozen=True)
class Sequences:
    """All events of all users in flat arrays: user ``u`` owns ``items[offsets[u]:offsets[u + 1]]`` in time order.

    Args:
        items: (E,) int64 item indices 1..N.
        offsets: (U + 1,) int64.
        role: (E,) int8; 0 train, 1 validation target, 2 test target, 3 in no part.
        users: (U,) ids of the source.
        timestamp: (E,) int64 seconds since 1970; None where the source tells an order only.
        label: (E,) float32, NaN for an event without one; None where nothing is scored.
    """

    items: NDArray[np.int64]
    offsets: NDArray[np.int64]
    role: NDArray[np.int8]
    users: pl.Series
    timestamp: NDArray[np.int64] | None = None
    label: NDArray[np.float32] | None = None


@dataclass  # not frozen, since Lightning's plugins for other precisions refuse to go through a frozen one
class Batch:
    """One batch; indices only. Moves to a device and pins as one thing. Nothing may change it.

    Args:
        user: (B,) int64 row of the user in ``Sequences.users``.
        history: (B, L) int64 item indices in time order, right-padded with 0.
        length: (B,) int64 number of real items in each history, at least 1.
        target: training (B, L) int64, the next item at each position, 0 where a position does not count;
            evaluation (B,) int64.
        seen: (S,) int64 flat items to leave out of the ranking; evaluation only.
        seen_offsets: (B + 1,) int64; user ``b`` has ``seen[seen_offsets[b]:seen_offsets[b + 1]]``.
        time: (B, L) int64 seconds since 1970 at which the events of ``history`` happened, 0 at the padding. It and
            ``target_time`` are there when the backbone says ``needs_time``, and None when it does not.
        target_time: of the shape of ``target``: when the target happened, which in use is the moment of the
            question; 0 at the padding. In training that of position t is ``time`` at t + 1, where that is in the
            window.
        event: (B,) int64 row of the event in ``Catalog.events``. It and the three below are there in scoring only,
            where ``target`` is (B,) in training too, and a row without any history has one padded item.
        candidate: (B, C) int64 items to score, the event's own first; ``target`` is the first column.
        label: (B, C) float32 of each candidate. Of T tasks (B, C, T), NaN where one has none.
        feedback: (B, L) float32 labels of the events of ``history``; NaN where there is none, and at the padding. Of T
            tasks (B, L, T).
        groups: rows of about one length that stand together, in order: their number and their longest. Empty where
            nobody said; never changes a result, only how much padding is computed.
    """

    user: Tensor
    history: Tensor
    length: Tensor
    target: Tensor
    seen: Tensor | None = None
    seen_offsets: Tensor | None = None
    time: Tensor | None = None
    target_time: Tensor | None = None
    event: Tensor | None = None
    candidate: Tensor | None = None
    label: Tensor | None = None
    feedback: Tensor | None = None
    groups: tuple[tuple[int, int], ...] = ()

    def _map(self, function: Callable[[Tensor], Tensor]) -> Batch:
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors = {name: function(value) for name, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **tensors)  # type: ignore[arg-type]

    def last(self, states: Tensor) -> Tensor:
        """The state after each history: (B, L, ...) -> (B, ...)."""
        return states[torch.arange(len(self), device=states.device), self.length - 1]

    def parts(self) -> list[Batch]:
        """The groups of a training batch apart, each as long as its longest row; itself where there is one."""
        if len(self.groups) < 2:
            return [self]
        ends = list(accumulate(rows for rows, _ in self.groups))
        return [self._rows(end - rows, end, longest) for end, (rows, longest) in zip(ends, self.groups, strict=True)]

    def _rows(self, first: int, end: int, longest: int) -> Batch:
        cut = slice(first, end), slice(longest)
        return replace(self._map(lambda tensor: tensor[cut[: tensor.ndim]]), groups=())

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same batch on ``device``."""
        return self._map(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Batch:
        """The same batch in page-locked memory."""
        return self._map(lambda t: t.pin_memory())

    def __len__(self) -> int:
        return len(self.user)


@dataclass(frozen=True)
class Negatives:
    """Items to score beside the targets; one that equals a position's target takes no part there.

    Args:
        items: (K,) int64 for all positions, or (P, K).
        rate: of the same shape, float32; how often a position is expected to draw the item, K * its probability.
    """

    items: Tensor
    rate: Tensor


@dataclass(frozen=True)
class Ranking:
    """The top k of each user and the exact rank of the user's target over the whole catalogue.

    Args:
        users: (U,) int64 rows of ``Sequences.users``.
        items: (U, k) int64, best first; 0 where fewer than k items are left.
        scores: (U, k) float32, by the model, so that they need not fall in a list that was re-ranked; ``-inf`` beside
            a 0 item.
        target: (U,) int64; 0 where nothing is known to be right.
        rank: (U,) int64, 1 is best; 1 + the number of other candidates that score at least as high
            (a tie counts against the target). In a list that was re-ranked the target's place, and behind the list
            that among all others in the model's order.
    """

    users: Tensor
    items: Tensor
    scores: Tensor
    target: Tensor
    rank: Tensor

    @staticmethod
    def cat(parts: Iterable[Ranking]) -> Ranking:
        """One ranking of several over different users."""
        columns = zip(*((p.users, p.items, p.scores, p.target, p.rank) for p in parts), strict=True)
        return Ranking(*(torch.cat(column) for column in columns))

    def take(self, rows: Tensor | slice) -> Ranking:
        """Those at ``rows``."""
        return Ranking(*(x[rows] for x in (self.users, self.items, self.scores, self.target, self.rank)))


@dataclass(frozen=True)
class Predictions:
    """What a model says of each scored candidate, beside what it was.

    Args:
        event: (M,) int64 row of ``Catalog.events``.
        user: (M,) int64 row of ``Sequences.users``.
        item: (M,) int64.
        label: (M,) float32.
        value: (M,) float32: the probability of a binary label, or the expected number; (M, K) probabilities of
            classes.
    """

    event: Tensor
    user: Tensor
    item: Tensor
    label: Tensor
    value: Tensor

    @staticmethod
    def cat(parts: Iterable[Predictions]) -> Predictions:
        """All of several."""
        columns = zip(*((p.event, p.user, p.item, p.label, p.value) for p in parts), strict=True)
        return Predictions(*(torch.cat(column) for column in columns))

    def take(self, rows: Tensor) -> Predictions:
        """Those at ``rows``."""
        return Predictions(*(x[rows] for x in (self.event, self.user, self.item, self.label, self.value)))


class Reranker(Protocol):
    """Chooses a list among more candidates; made with the catalogue.

    A row depends on no other row. One that compares items by the model's own vectors says ``needs_vectors = True``.
    """

    @property
    def candidates(self) -> int:
        """How many it wants for each user."""
        ...

    def __call__(self, candidates: Ranking, batch: Batch, vectors: Tensor | None, k: int) -> Tensor:
        """(B, k) different columns of ``candidates.items``, the best first; -1 where none is left.

        Args:
            candidates: (B, C), best first; 0 where there are fewer. The target and its rank are not to be read.
            batch: the same users; their history, and in ``seen`` all that they have.
            vectors: (N + 1, D) the model's item vectors; None for a model without.
            k: 1..C.
        """
        ...


class Source(Protocol):
    """Where a data set comes from. Construction checks the options and reads nothing.

    ``item_columns`` and ``user_columns`` name the columns of the item and the user table before they are read, so
    that a template or a feature that asks for another one is refused in time.
    One in which every user has one event, so that there is nothing to go on from, says ``histories = False``.
    """

    @property
    def item_columns(self) -> tuple[str, ...]: ...

    @property
    def user_columns(self) -> tuple[str, ...]: ...

    def identity(self) -> str:
        """A text that changes whenever ``fetch`` would return something else: options, checksums of files.

        Parses nothing, so that prepared data are found again in a moment.
        """
        ...

    def fetch(self) -> Tables:
        """Reads (and downloads, where needed) the canonical tables."""
        ...


class Step(Protocol):
    """One step of preparation. ``repr`` tells all its options, as that of a dataclass does."""

    def __call__(self, events: pl.DataFrame) -> pl.DataFrame:
        """Canonical interactions -> those that stay, in the same order, perhaps with more columns."""
        ...


class Feature(Protocol):
    """Columns of users or items computed from training events. ``repr`` tells all its options.

    ``of`` says of which; ``columns`` names them and ``needs`` the columns of the item table they are computed from,
    both before data are read.
    """

    @property
    def of(self) -> Literal["items", "users"]: ...

    @property
    def columns(self) -> tuple[str, ...]: ...

    @property
    def needs(self) -> tuple[str, ...]: ...

    def __call__(self, training: pl.DataFrame, catalog: Catalog) -> pl.DataFrame:
        """Training events, by user and time -> one row a user (or item) that has any: its id and ``columns``.

        Where a user or item has none, a column of counts (uint32) becomes 0 and any other null.
        """
        ...


class Guard(Protocol):
    """Protects people before anything else sees the data. ``repr`` tells all its options and no secret."""

    def __call__(self, tables: Tables) -> Tables:
        """The tables with less said about people."""
        ...


class Split(Protocol):
    """Gives every event of the sorted sequences its role. ``repr`` tells all its options.

    ``leaks`` says in a sentence what training knows that it would not know in use; empty when nothing. One that may
    leave every user with one event that trains, which is enough for scoring alone, says ``few = True``.
    """

    @property
    def leaks(self) -> str: ...

    def __call__(self, offsets: NDArray[np.int64], events: pl.DataFrame) -> NDArray[np.int8]:
        """(U + 1,), E sorted canonical interactions -> (E,) role as in ``Sequences``."""
        ...


class Label(Protocol):
    """What is to be predicted of an event.

    ``kind`` says of which kind it is and ``column`` where it is read from; a label lies in ``low..high``, which are 0
    and 1 for a binary one and 0 and K - 1 for one of K classes. ``step`` is the distance between two neighbouring
    numbers, None where there may be any between. One that draws items beside each event, which its user has no event
    with and whose label is 0, says how many in ``drawn``.
    """

    @property
    def kind(self) -> Kind: ...

    @property
    def column(self) -> str: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...

    @property
    def step(self) -> float | None: ...

    def __call__(self, events: pl.DataFrame) -> NDArray[np.float32]:
        """E sorted canonical interactions -> (E,) labels, NaN for an event without one.

        Raises:
            ValueError: the column is not there, or holds what is no label.
        """
        ...


class Batches(Protocol):
    """A sized stream of batches that can say where it is and go on from there."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[Batch]: ...
    def state_dict(self) -> dict[str, int]: ...
    def load_state_dict(self, state: dict[str, int]) -> None: ...


@runtime_checkable
class Tunable(Protocol):
    """A part a fine-tuning method may touch.

    ``trunk`` is what the method sees; everything else in the part always trains. ``pretrained`` says whether
    the trunk holds weights that were learnt elsewhere: outside the method's target those stay frozen.
    """

    pretrained: bool

    @property
    def trunk(self) -> nn.Module: ...

    def set_trunk(self, module: nn.Module) -> None:
        """Puts another module in its place."""
        ...


@runtime_checkable
class Aside(Protocol):
    """A trunk that never changes, and something trained beside it that reads its layers' states from a cache."""

    frozen: nn.Module

    def beside(self, states: Tensor) -> Tensor:
        """(n, K + 1, H) pooled states of the embeddings and of each of K layers -> (n, H)."""
        ...


class ItemEncoder(Tunable, Protocol):
    """How an item becomes a vector. Row 0 of every table belongs to the padding and is zero.

    One whose vectors come from the item table alone offers ``extend(catalog)``: it reads another catalogue with what
    it has learnt. One that reads queries names their column in ``event_columns`` and offers ``asked(event)``: (B,) rows
    of ``Catalog.events`` -> (B, D).
    """

    width: int
    size: int  # N

    def vectors(self, items: Tensor) -> Tensor:
        """(M,) unique item indices -> (M, D)."""
        ...

    def table(self) -> Tensor:
        """All items: (N + 1, D)."""
        ...


class Backbone(Tunable, Protocol):
    """How a history becomes states.

    One that reads ``batch.time`` says ``needs_time = True``: batches carry times for it, and data without are refused.
    It may say in ``without_times`` what to set for such data ("set backbone.time=false"). One that reads the candidates
    too says ``per_candidate = True``, as its heads do, the ``kinds`` of labels it is for, and in ``outputs`` how many
    numbers its ``states`` (B, C, outputs) are for each candidate; its head gets them as ``state``.
    """

    def pose(self, batch: Batch) -> Batch:
        """A training batch with the targets that may be asked for at once; a causal backbone gives it back as it is.

        Only ``target`` may differ.
        """
        ...

    def states(self, batch: Batch, item_vectors: Tensor) -> Tensor:
        """(B, L, D) vectors of the history -> (B, L, D), no state seeing its own target.

        Where every target is asked for, position t sees items up to t only. In evaluation, ``target`` being (B,),
        the state at ``length - 1`` is the one that counts.
        """
        ...


class Head(Protocol):
    """States and item vectors become scores ``queries @ keys.T``, so that losses and rankings can work in chunks."""

    def queries(self, states: Tensor) -> Tensor:
        """(..., D) -> (..., D)."""
        ...

    def keys(self, item_vectors: Tensor) -> Tensor:
        """(M, D) -> (M, D)."""
        ...


class Loss(Protocol):
    """An objective over the positions that count."""

    def prepare(self, catalog: Catalog) -> None:
        """Takes the catalogue in, once, before training.

        Raises:
            ValueError: it cannot work with this catalogue.
        """
        ...

    def negatives(self, target: Tensor) -> Negatives | None:
        """(P,) item indices -> what to score beside them, or None for the whole catalogue."""
        ...

    def __call__(self, queries: Tensor, keys: Tensor, target: Tensor, negatives: Negatives | None) -> Tensor:
        """The mean over positions.

        Args:
            queries: (P, D).
            keys: (M, D); row 0 is the padding.
            target: (P,) rows of ``keys``.
            negatives: as drawn, their items as rows of ``keys``; None where ``keys`` are the whole catalogue.
        """
        ...


class ScoringHead(Protocol):
    """A state, its history and candidates become scores.

    One for a backbone that reads the candidates says ``per_candidate = True``, one that looks at no vector of an item
    ``reads_vectors = False``. A part of it that reads columns of ``Catalog.events`` names them in ``event_columns``.
    """

    kinds: tuple[Kind, ...]  # of labels it works with

    def __call__(self, batch: Batch, state: Tensor, history: Tensor, candidate: Tensor) -> Tensor:
        """Scores, K numbers a candidate, as the loss asks for.

        Args:
            batch: says which users, events and items these are.
            state: (B, D) after each history; (B, C, D) where the backbone is ``per_candidate``.
            history: (B, L, D) vectors of its items; zeros at the padding.
            candidate: (B, C, D) vectors of the candidates.

        Returns:
            (B, C, K).
        """
        ...


class ScoringLoss(Protocol):
    """An objective over labelled candidates, and what scores mean under it."""

    kinds: tuple[Kind, ...]  # of labels it works with

    def prepare(self, label: Label) -> int:
        """Takes the label in, once, before anything else; gives K, the numbers it asks for a candidate.

        Raises:
            ValueError: it cannot work with this label.
        """
        ...

    def predict(self, scores: Tensor) -> Tensor:
        """(..., K) scores -> (...,) the probability of 1, or the number; (..., K) probabilities of classes."""
        ...

    def __call__(self, scores: Tensor, label: Tensor) -> Tensor:
        """(B, C, K) scores, (B, C) labels -> the mean over candidates, or over rows where it compares candidates."""
        ...


# (B, L) item rows right-padded with 0, (B,) lengths -> changed copies; -1 stands for a hidden item
Augmentation = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
# a batch, (B, L, D) vectors of its history -> (B, D), the state after each history
Encode = Callable[[Batch, Tensor], Tensor]


class TextAugmentation(Protocol):
    """Changes the text of an item, by torch's generator."""

    def prepare(self, catalog: Catalog, texts: Sequence[str]) -> None:
        """Learns what may be changed; refuses where nothing could be.

        Args:
            catalog: whose items these are.
            texts: of its items, in order; empty in a rehearsal.
        """
        ...

    def __call__(self, item: int, text: str) -> str:
        """Item index and its text -> the text, changed or not."""
        ...


class Companion(Protocol):
    """An objective beside the loss."""

    @property
    def weight(self) -> float:
        """By which it is multiplied before it is added to the loss."""
        ...

    def __call__(self, batch: Batch, vectors: Tensor, encode: Encode) -> Tensor:
        """The mean over histories.

        Args:
            batch: of training, its history as rows of ``vectors``, its targets as item indices.
            vectors: (M, D); row 0 is the padding.
            encode: every call is one more pass through the backbone.
        """
        ...


# item vectors (M, D), row 0 the padding -> the loss with them, and what the model then says when asked: (n, K)
# probabilities, or (n,) numbers; every call is one more pass through backbone and head
Pass = Callable[[Tensor], tuple[Tensor, Callable[[], Tensor]]]


class Regularizer(Protocol):
    """An objective of several passes, in the loss' place. One that moves the vectors says ``moves_vectors = True``."""

    def __call__(self, vectors: Tensor, once: Pass) -> Tensor:
        """(M, D) item vectors of a training step, and a pass -> (). No gradient is added up inside."""
        ...


# one for all, or a function of the trunk that gives one for each parameter's name
LrFactor = float | Callable[[nn.Module], Mapping[str, float]]


class Tuning(Protocol):
    """One fine-tuning method: decides what trains inside a trunk.

    A method that changes the output before any step says ``changes_output = True``; one whose ``merge`` must keep
    what it added says ``foldable = False``; one that acts during training offers ``callbacks()``, a list of Lightning
    callbacks, and says ``sets_weights = True`` where they change trained weights between steps. One whose ``lr_factor``
    was asked for and acts on pretrained weights alone says it as ``asked_rate``; one that can work on
    a trunk whose weights are in few bits says ``takes_few_bits = True``.
    """

    target: Target

    @property
    def lr_factor(self) -> LrFactor:
        """Learning rate of what it trains inside a pretrained trunk, relative to the optimizer's."""
        ...

    def __call__(self, trunk: nn.Module, name: str, pretrained: bool) -> nn.Module:
        """Prepares the trunk in place or wraps it. Raises ValueError when it matched nothing."""
        ...

    def merge(self, trunk: nn.Module) -> nn.Module:
        """The trunk with what was learnt folded into plain layers; same outputs."""
        ...


@dataclass(frozen=True)
class Gates:
    """How much of each source each task takes.

    Args:
        rows: names of those who take.
        columns: names of what is taken from.
        weight: (rows, columns) mean over the states.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    weight: Tensor


class Structure(Protocol):
    """What lies between the trunk that all tasks share and the head of each; made with the tasks' names."""

    def __call__(self, states: Tensor) -> Tensor:
        """(B, D) states of the trunk -> (T, B, D), one for each task."""
        ...

    def own(self, task: int) -> Iterable[nn.Parameter]:
        """The parameters that reach the loss of this task only."""
        ...

    def gates(self, states: Tensor) -> Mapping[str, Gates]:
        """(B, D) -> what is drawn of it, by name; empty for one without gates."""
        ...


class Balancing(Protocol):
    """How the losses of several tasks become one step; made with the number of tasks.

    One that weighs the gradients of the shared parameters has ``takes_gradients = True`` and is asked ``directions``;
    one that reads how large they are in the last shared layer has ``takes_norms = True`` and is told in ``observe``.
    """

    takes_gradients: bool
    takes_norms: bool

    def __call__(self, losses: Tensor, there: Tensor) -> Tensor:
        """(T,) losses, (T,) bool whether the step has labels of the task -> what is descended."""
        ...

    def directions(self, products: Tensor, there: Tensor) -> Tensor:
        """(T, T) inner products of the tasks' gradients, (T,) bool -> (T,) what each gradient counts."""
        ...

    def observe(self, losses: Tensor, norms: Tensor, there: Tensor) -> None:
        """(T,) losses and norms of their gradients at a step, before the next one."""
        ...

    def end_epoch(self, losses: Tensor) -> None:
        """(T,) mean losses of an epoch; NaN for a task without labels."""
        ...


class Baseline(Protocol):
    """A model without gradients: same batches, same ranking, same metrics as the trained ones."""

    def fit(self, sequences: Sequences, catalog: Catalog) -> None:
        """Learns from the events with role 0 only."""
        ...

    def scores(self, batch: Batch) -> Tensor:
        """(B, N + 1) float32; column 0 is ignored."""
        ...


# a partial of an optimizer: called with parameter groups
OptimizerFactory = Callable[[Iterable[dict[str, Any]]], torch.optim.Optimizer]
# a partial of a schedule: called with the optimizer and the number of steps of the whole run
SchedulerFactory = Callable[[torch.optim.Optimizer, int], torch.optim.lr_scheduler.LRScheduler]
