"""The labels of several tasks at once: every event has what each task is to predict of it, or nothing.

Relations: ``labelled`` has those of one task; ``examples`` gathers both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from rec_lightning.contracts import Catalog, Label, Sequences, Tables
from rec_lightning.data.examples import Examples
from rec_lightning.data.labelled import check_labels, context_of
from rec_lightning.data.tables import sort_events


class Joint:
    """Labels of all tasks, and the context of the events.

    Args:
        labels: what each task predicts, by the task's name.
        ranks: whether a further task ranks the catalogue, for which every event is an example.
        tables: whose interactions these are.
        sequences: the same events, sorted and split.
        catalog: of the same data.

    Raises:
        ValueError: see ``RecData.label_tasks``.
    """

    def __init__(
        self, labels: Mapping[str, Label], ranks: bool, tables: Tables, sequences: Sequences, catalog: Catalog
    ) -> None:
        events, role = sort_events(tables.interactions), np.asarray(sequences.role)
        self.ranks, self.drawn = ranks, [int(getattr(label, "drawn", 0)) for label in labels.values()]
        columns = list[NDArray[np.float32]]()
        for (name, label), drawn in zip(labels.items(), self.drawn, strict=True):
            try:
                columns.append(label(events))
                check_labels(label, drawn, columns[-1], role, tables.name)
            except ValueError as error:
                raise ValueError(f"task.objectives.{name}: {error}") from error
        # (E, T)
        self.labels = np.stack(columns, 1) if columns else np.empty((events.height, 0), np.float32)
        said = [label.column for label in labels.values()]
        self.catalog = replace(catalog, events=context_of(events, said, sequences))

    def examples(self, sequences: Sequences, role: int, max_length: int, last: int) -> Examples:
        """The examples of a role, as ``Examples`` says; those to evaluate say what was seen where a task ranks."""
        seen = self.ranks and role > 0
        return Examples(sequences, self.labels, role, max_length, last, self.drawn, self.ranks, seen)
