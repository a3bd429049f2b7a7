"""Census-Income (KDD): one row a person, 40 columns, two questions; the usual small set of multi-task papers.

Source: UCI Machine Learning Repository, https://doi.org/10.24432/C5N30T (CC BY 4.0), ``census-income.test.gz`` or
``census-income.data.gz``. The usual two tasks: income above 50,000 dollars, and never married. What answers them, and
the weight of the survey, is no input.

Nobody here has a history: every person is a user with one event, the answer to the survey, which is the only item; the
columns are the context of the event.

Relations: ``backbone=columns`` reads such rows.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import polars as pl

from rec_lightning.contracts import ITEM, USER, Tables
from rec_lightning.data.sources.identity import content_of, told_file
from rec_lightning.data.tables import fingerprint

NUMBERS = ("age", "wage_per_hour", "capital_gains", "capital_losses", "dividends", "persons_worked_for", "weeks_worked")
_COLUMNS = (
    "age class_of_worker industry_code occupation_code education wage_per_hour enrolled marital_status industry "
    "occupation race hispanic_origin sex union_member unemployment_reason employment capital_gains capital_losses "
    "dividends tax_filer region_before state_before family_status household_summary survey_weight migration_msa "
    "migration_region migration_within_region same_house migration_sunbelt persons_worked_for parents_present "
    "father_birth mother_birth own_birth citizenship own_business veterans_questionnaire veterans_benefits "
    "weeks_worked year income"
).split()


class CensusIncome:
    """Reads the file as UCI gives it.

    Args:
        path: ``census-income.test.gz`` or ``census-income.data.gz``, packed or not.
    """

    item_columns = (ITEM,)
    user_columns = (USER,)
    histories = False

    def __init__(self, path: str) -> None:
        self.path = path

    def identity(self) -> str:
        """The checksum of the file.

        Raises:
            FileNotFoundError: it is not there.
        """
        return content_of([self._file()])

    def fetch(self) -> Tables:
        """The canonical tables, with ``income`` and ``never_married`` as 0 and 1.

        Raises:
            FileNotFoundError: the file is not there.
            ValueError: it is another one.
        """
        place = self._file()
        text = place.read_bytes()
        lines = (gzip.decompress(text) if place.suffix == ".gz" else text).decode().splitlines()
        rows = [line.strip().rstrip(".").split(", ") for line in lines if line.strip()]
        wrong = next((number for number, row in enumerate(rows, 1) if len(row) != len(_COLUMNS)), None)
        if wrong is not None or not rows:
            raise ValueError(
                f"Census-Income has {len(_COLUMNS)} values a line, and line {wrong or 1} of {place} has not. Get the "
                "file again."
            )
        frame = pl.DataFrame(rows, schema=_COLUMNS, orient="row").with_columns(
            *(pl.col(name).cast(pl.Float64) for name in NUMBERS),
            income=pl.col("income").str.contains("50000+", literal=True).cast(pl.Int8),
            never_married=(pl.col("marital_status") == "Never married").cast(pl.Int8),
        )
        known = {USER: pl.int_range(pl.len()), ITEM: pl.lit("survey")}
        events = frame.drop("marital_status", "survey_weight").with_columns(**known)
        items, users = pl.DataFrame({ITEM: ["survey"]}), pl.DataFrame(schema={USER: pl.Int64})
        return Tables(
            interactions=events.select(USER, ITEM, pl.exclude(USER, ITEM)),
            items=items,
            users=users,
            name="census-income",
            licence="CC BY 4.0",
            source=str(place),
            fingerprint=fingerprint(events, items, users),
        )

    def _file(self) -> Path:
        return told_file("path", self.path, "census-income.test.gz or census-income.data.gz")
