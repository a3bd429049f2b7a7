from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rec_lightning.studies.comparison import compare
from rec_lightning.studies.entries import Finished, Run
from rec_lightning.studies.evidence import corrected, weigh
from rec_lightning.studies.findings import findings
from rec_lightning.studies.intervals import Interval
from rec_lightning.studies.reading import parse_study
from rec_lightning.studies.rows import read_row
from rec_lightning.studies.study import Study
from rec_lightning.studies.testing import adjust, compare_pair
from tests.studies.conftest import WriteRun, ranks_of

GENERATOR = np.random.default_rng(3)
ONE, OTHER = GENERATOR.random((3, 200)), GENERATOR.random((2, 200)) - 0.05


def test_the_paired_tests_are_scipys() -> None:
    name, p = compare_pair(ONE[:1], OTHER[:1], "wilcoxon")
    assert (name, p) == ("Wilcoxon's signed ranks over users", stats.wilcoxon(ONE[0], OTHER[0]).pvalue)
    name, p = compare_pair(ONE[:1], OTHER[:1], "t")
    assert (name, p) == ("Student's paired t over users", pytest.approx(stats.ttest_rel(ONE[0], OTHER[0]).pvalue))


def test_over_several_seeds_their_means_are_tested_and_the_name_says_so() -> None:
    name, p = compare_pair(ONE, OTHER, "wilcoxon")
    assert name == "Wilcoxon's signed ranks over users, the means of their seeds"
    assert p == stats.wilcoxon(ONE.mean(0), OTHER.mean(0)).pvalue


@pytest.mark.parametrize(("correction", "theirs"), [("holm", "holm"), ("benjamini_hochberg", "fdr_bh")])
def test_the_corrections_are_those_of_statsmodels(correction: str, theirs: str) -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p_values = [0.001, 0.04, 0.03, 0.5, 0.012, 0.9]
    assert adjust(p_values, correction) == pytest.approx(list(multitest.multipletests(p_values, method=theirs)[1]))


def test_the_correction_decides() -> None:
    difference = Interval(0.1, 0.0, 0.2)
    found = [weigh(ONE, OTHER, difference, "a test", p) for p in (0.01, 0.03, 0.04)]
    assert [e.supported for e in corrected(found)] == [True, False, False]
    assert [e.supported for e in corrected(found, "benjamini_hochberg")] == [True, True, True]
    assert [e.adjusted for e in corrected(found, "benjamini_hochberg")] == pytest.approx([0.03, 0.04, 0.04])


def test_a_study_names_its_test(study: Study, write_run: WriteRun) -> None:
    study = replace(study, test="wilcoxon", correction="benjamini_hochberg")
    entries = [
        Finished(spec, Run(42, "", read_row(write_run(spec.slug, ranks_of(n, seed=n)), study.metrics)))
        for n, spec in enumerate(study.rows, start=1)
    ]
    told = findings(compare(study, entries))
    assert "after Benjamini and Hochberg over 2 comparisons" in told[0]
    assert told[-1].startswith(
        "Tests: Wilcoxon's signed ranks over users, two-sided, at 5 % after Benjamini and Hochberg;"
    )


@pytest.mark.parametrize(
    ("key", "message"), [("test", r"test must be one of \['sign_flips', 't', 'wilcoxon'\], got 'x'"),
                         ("correction", r"correction must be one of \['holm', 'benjamini_hochberg'\], got 'x'")],
)  # fmt: skip
def test_a_test_that_is_none(key: str, message: str) -> None:
    rows = [{"name": "A", "verb": "baseline"}]
    head = {"title": "t", "question": "q", "protocol": "p", "metrics": ["hr@10"], "primary": "hr@10"}
    with pytest.raises(ValueError, match=message):
        parse_study(head | {"rows": rows, key: "x"})
