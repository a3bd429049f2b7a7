"""The data of a run: source -> tables -> privacy -> preparation -> split -> features -> batches, each step once.

Construction checks the options; ``prepare`` reads, or opens what an earlier run with the same source, steps and split
left in the cache. Evaluation has batches of its own, so that under several
processes no user is counted twice (Lightning's padded sampler would).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
import torch.distributed as dist

from rec_lightning.contracts import (
    Batch,
    Batches,
    Catalog,
    Feature,
    Guard,
    Label,
    Sequences,
    Source,
    Split,
    Step,
    Tables,
)
from rec_lightning.data.batches import EvalBatches, TrainBatches
from rec_lightning.data.cache import filling, key_of, place_of
from rec_lightning.data.examples import EvalExamples, Examples, TrainExamples
from rec_lightning.data.facts import Facts
from rec_lightning.data.features.add import add_features, named_columns
from rec_lightning.data.joint import Joint
from rec_lightning.data.labelled import Labelled
from rec_lightning.data.preparation.apply import apply_steps
from rec_lightning.data.prepared import Prepared, is_whole, open_prepared
from rec_lightning.data.room import make_room, room
from rec_lightning.data.suppression import Suppression, origin_of
from rec_lightning.data.tables import fingerprint, sort_events, to_sequences

_NOTHING = (
    "{}: no user has two training events, so nothing can be trained. Choose other data, another split, or a task that "
    "scores."
)


class RecData:
    """Batches of one data set.

    Args:
        source: where the tables come from.
        split: which events train and which are predicted.
        max_length: longest history the model sees, at least 2.
        batch_size: windows a step, of all processes together.
        eval_batch_size: users ranked at once.
        context: events before a window's first target given as input, 0..max_length - 1.
        seed: of order and cuts.
        prepare: steps between source and split by name, run in this order; null for none.
        inputs: what the model reads before a target of validation or test: ``past``, all earlier events but those
            of a later part; ``train``, earlier training events only; or ``rest``, all of the user's events that no
            part asks for, later ones too, for splits that ask for several events of a user at once.
        cache: whether the prepared form is kept under the cache folder and used again.
        privacy: guards by name, run on what the source gives before anything else sees it; null for none.
        groups: in how many groups of rows of about one length a step runs through the backbone, at most.
        features: columns of users and items by name, computed from training events after the split; null for none.

    Raises:
        ValueError: a value out of range, here or in ``$REC_CACHE_GB``.
    """

    def __init__(
        self,
        source: Source,
        split: Split,
        max_length: int,
        batch_size: int = 64,
        eval_batch_size: int = 256,
        context: int = 0,
        seed: int = 0,
        prepare: Mapping[str, Step] | None = None,
        inputs: Literal["past", "train", "rest"] = "past",
        cache: bool = True,
        privacy: Mapping[str, Guard] | None = None,
        groups: int = 1,
        features: Mapping[str, Feature] | None = None,
    ) -> None:
        if max_length < 2:
            raise ValueError(f"max_length must be at least 2, got {max_length}. Set max_length.")
        for name, value in (("batch_size", batch_size), ("eval_batch_size", eval_batch_size), ("groups", groups)):
            if value < 1:
                raise ValueError(f"data.{name} must be at least 1, got {value}. Set data.{name}.")
        if not 0 <= context < max_length:
            raise ValueError(
                f"data.context must be 0..max_length - 1 ({max_length - 1}), got {context}. Set data.context."
            )
        for group, parts in (("prepare", prepare), ("privacy", privacy), ("features", features)):
            for name, part in (parts or {}).items():
                if not callable(part):
                    raise ValueError(
                        f"data.{group}.{name} must be a part, got {part}. Give it a _target_ (and data _convert_: all)."
                    )
        if cache:
            room()
        self.source, self.split, self.max_length = source, split, max_length
        self.batch_size, self.eval_batch_size, self.context, self.seed = batch_size, eval_batch_size, context, seed
        self.steps, self.inputs, self.cache = dict(prepare or {}), inputs, cache
        self.guards, self.features, self.groups = dict(privacy or {}), dict(features or {}), groups
        self._prepared: Prepared | None = None
        self._timed = False
        self._labelled: Labelled | Joint | None = None

    def prepare(self) -> None:
        """Reads, filters, numbers and splits, or opens the cache; a second call does nothing.

        Raises:
            FileNotFoundError: the data are not there.
            ValueError: they are not what the source says, or nothing is left to train or to evaluate on.
            OSError: the cache cannot be written.
        """
        if self._prepared is not None:
            return
        named_columns(self.features, self.source.item_columns, self.source.user_columns)
        suppression = Suppression(origin_of(self.source))
        if not self.cache:
            self._prepared = self._make("", suppression)
            return
        key = key_of(self.source, self.guards, self.steps, self.split, self.features, suppression.mark)
        found = open_prepared(place_of(key))
        if found is None:
            made = self._make(key, suppression)
            with filling(place_of(key), is_whole) as folder:
                made.save(folder)
            found = open_prepared(place_of(key))
            make_room()
        assert found is not None
        self._prepared = found

    def _make(self, key: str, suppression: Suppression) -> Prepared:
        read = suppression.drop(self.source.fetch())
        for guard in self.guards.values():
            read = guard(read)
        events, report = apply_steps(read.interactions, self.steps, read.name)
        if self.steps or self.guards:
            read = replace(read, interactions=events, fingerprint=fingerprint(events, read.items, read.users))
        sequences, catalog = to_sequences(read, self.split)
        self._check(sequences, read.name)
        if self.features:
            training = sort_events(read.interactions).filter(np.asarray(sequences.role) == 0)
            catalog = add_features(catalog, self.features, training)
        facts = Facts(
            name=read.name,
            licence=read.licence,
            source=read.source,
            fingerprint=read.fingerprint,
            key=key,
            steps=[removal.plain() for removal in report],
            guards=[repr(guard) for guard in self.guards.values()],
            features=[repr(feature) for feature in self.features.values()],
            split=repr(self.split),
            leaks=self.split.leaks,
            users=len(sequences.users),
            items=catalog.size,
            interactions=len(sequences.items),
            roles=np.bincount(sequences.role, minlength=4).tolist(),
            origin=suppression.origin,
            forgotten=len(suppression),
        )
        return Prepared(facts, sequences, catalog, read)

    def _check(self, sequences: Sequences, name: str) -> None:
        for stage, role in (("train", 0), ("validation", 1), ("test", 2)):
            if not (sequences.role == role).any():
                raise ValueError(
                    f"{name} has no {stage} events under {self.split}: leave-one-out needs users with at least 3 "
                    "events, a share enough of what it is a share of. Choose other data, fewer filters or another "
                    "split."
                )
        # examples of scoring need no second event of their user
        alone = getattr(self.split, "few", False) or not getattr(self.source, "histories", True)
        if not alone and TrainBatches(sequences, self.max_length, self.batch_size, self.seed).targets == 0:
            raise ValueError(_NOTHING.format(name))

    @property
    def item_columns(self) -> tuple[str, ...]:
        """Columns of the items, known before data are read; a feature that lacks what it needs is refused."""
        return named_columns(self.features, self.source.item_columns, self.source.user_columns)[0]

    @property
    def user_columns(self) -> tuple[str, ...]:
        """Columns of the users."""
        return named_columns(self.features, self.source.item_columns, self.source.user_columns)[1]

    @property
    def facts(self) -> Facts:
        """What is known of the data: names, counts, steps, split."""
        return self._ready().facts

    @property
    def tables(self) -> Tables:
        """As prepared."""
        return self._ready().tables

    @property
    def sequences(self) -> Sequences:
        """Sorted and split."""
        return self._ready().sequences

    @property
    def catalog(self) -> Catalog:
        """The items and users, and the events where they are scored."""
        return self._ready().catalog if self._labelled is None else self._labelled.catalog

    def _ready(self) -> Prepared:
        self.prepare()
        assert self._prepared is not None
        return self._prepared

    def carry_times(self, otherwise: str) -> None:
        """From now on batches carry times.

        Args:
            otherwise: what helps where the data have none, beside naming their column.

        Raises:
            ValueError: the data have none.
        """
        if self.sequences.timestamp is None:
            raise ValueError(
                f"the backbone reads when events happened, and {self.facts.name} tells no time. Name the column in "
                f"data.source (timestamp), or {otherwise}."
            )
        self._timed = True

    def label_events(self, label: Label) -> None:
        """From now on batches are examples of scoring: events with a label, and what was before each.

        Args:
            label: what is to be predicted of an event.

        Raises:
            ValueError: the column is not there or holds what is no label, a part has no labelled event, training
                has one class only, or the history would hold later events.
        """
        if self.inputs == "rest":
            raise ValueError(
                "data.inputs must be past or train where events are scored after what came before them, got rest. "
                "Set data.inputs, or data/split=temporal_ratio."
            )
        self._labelled = Labelled(label, self.tables, self.sequences, self.catalog)

    def label_tasks(self, labels: Mapping[str, Label], ranks: bool) -> None:
        """From now on batches are examples of several tasks.

        Args:
            labels: what each task that scores predicts, by the task's name.
            ranks: whether a task ranks the catalogue, for which every event is an example.

        Raises:
            ValueError: as ``label_events`` says, with the task's name.
        """
        self._labelled = Joint(labels, ranks, self.tables, self.sequences, self.catalog)

    def _examples(self, labelled: Labelled | Joint, role: int) -> Examples:
        last = role if self.inputs == "past" else 0
        return labelled.examples(self._events(), role, self.max_length, last)

    def _events(self) -> Sequences:
        return self.sequences if self._timed else replace(self.sequences, timestamp=None)

    def train_dataloader(self) -> Batches:
        """Shuffled windows of this process, or examples where events were labelled."""
        rank, world = _process()
        if self._labelled is not None:
            return TrainExamples(self._examples(self._labelled, 0), self.batch_size, self.seed, rank, world)
        batches = TrainBatches(
            self._events(),
            self.max_length,
            self.batch_size,
            self.seed,
            self.context,
            groups=self.groups,
            rank=rank,
            world=world,
        )
        if not batches.targets:
            raise ValueError(_NOTHING.format(self.facts.name))
        return batches

    def val_dataloader(self) -> Iterable[Batch]:
        """Validation targets of this process."""
        return self._evaluation(1)

    def test_dataloader(self) -> Iterable[Batch]:
        """Test targets of this process."""
        return self._evaluation(2)

    def _evaluation(self, role: int) -> Iterable[Batch]:
        rank, world = _process()
        if self._labelled is not None:
            return EvalExamples(self._examples(self._labelled, role), self.eval_batch_size, rank, world)
        return EvalBatches(self._events(), role, self.max_length, self.eval_batch_size, rank, world, self.inputs)


def _process() -> tuple[int, int]:
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1
