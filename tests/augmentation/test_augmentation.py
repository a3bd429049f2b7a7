"""Changes of texts: by hand, alike for a seed, and refused where they could change nothing."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from transformers import AutoTokenizer

from rec_lightning.augmentation.paraphrases import Paraphrases
from rec_lightning.augmentation.synonyms import Synonyms
from rec_lightning.augmentation.word_dropout import WordDropout
from rec_lightning.backbones.prompt_encoder import PromptEncoder
from rec_lightning.backbones.prompt_lm import PromptLM
from rec_lightning.backbones.prompts import Prompts
from rec_lightning.contracts import Catalog
from rec_lightning.items.text import TextItems
from tests.backbones.test_prompts import LINES, asked, films, text

TITLES = ["Alpha beta, gamma", "delta"]
CATALOG = Catalog(pl.DataFrame({"item": [7, 9], "title": TITLES}), np.ones(3, np.int64))


def written(folder: Path, ending: str, rows: dict[str, list[str]]) -> str:
    place, frame = folder / f"{'-'.join(rows)}.{ending}", pl.DataFrame(rows)
    if ending == "tsv":
        frame.write_csv(place, separator="\t")
    else:
        frame.write_parquet(place)
    return str(place)


@pytest.fixture(params=["tsv", "parquet"])
def pairs(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return written(tmp_path, request.param, {"word": ["alpha", "GAMMA", "mu"], "synonym": ["rho", "tau tau", "xi"]})


@pytest.fixture
def others(tmp_path: Path) -> str:
    return written(tmp_path, "parquet", {"item": ["7", "7", "8"], "text": ["mu", "nu", "xi"]})


def test_words_are_replaced_with_their_case_and_marks(pairs: str) -> None:
    change = Synonyms(pairs, 1.0)
    change.prepare(CATALOG, TITLES)
    assert [change(n, text) for n, text in enumerate(TITLES, 1)] == ["Rho beta, tau tau", "delta"]


def test_texts_are_replaced_by_those_of_their_item(others: str) -> None:
    change = Paraphrases(others, 1.0)
    change.prepare(CATALOG, TITLES)
    assert {change(1, TITLES[0]) for _ in range(20)} == {"mu", "nu"}
    assert change(2, TITLES[1]) == "delta"


def test_words_are_left_out_in_their_share_and_one_stays() -> None:
    words = [f"w{n}" for n in range(4000)]
    torch.manual_seed(0)
    kept = WordDropout(0.3)(1, " ".join(words)).split()
    assert len(kept) == pytest.approx(2800, abs=100)
    assert kept == sorted(kept, key=words.index)
    assert len(WordDropout(0.999)(1, "alpha beta").split()) == 1
    assert WordDropout(0.5)(1, "") == ""


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_the_share_of_changes_is_the_one_asked_for(share: float, pairs: str, others: str) -> None:
    torch.manual_seed(0)
    texts = Paraphrases(others, share)
    texts.prepare(CATALOG, TITLES)
    for change in (Synonyms(pairs, share), texts):
        changed = sum(change(1, "alpha") != "alpha" for _ in range(2000))
        assert changed / 2000 == pytest.approx(share, abs=0.04)


def test_a_seed_decides_what_changes(pairs: str, others: str) -> None:
    for change in (WordDropout(0.5), Synonyms(pairs, 0.5), Paraphrases(others, 0.5)):
        change.prepare(CATALOG, TITLES)
        drawn = []
        for seed in (0, 0, 1):
            torch.manual_seed(seed)
            drawn.append([change(1, TITLES[0]) for _ in range(30)])
        assert drawn[0] == drawn[1] != drawn[2]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda _: WordDropout(0.0), r"^augmentation.share must be between 0 and 1, both excluded, got 0.0"),
        (lambda _: WordDropout(1.0), r"both excluded, got 1.0. Set augmentation.share.$"),
        (lambda p: Synonyms(p, 0.0), r"^augmentation.share must be above 0 and at most 1, got 0.0"),
        (lambda p: Paraphrases(p, 1.1), r"^augmentation.share must be above 0 and at most 1, got 1.1"),
        (lambda p: Paraphrases(p), r"must have the columns item and text, and .* has word, synonym. Rename"),
        (lambda _: Synonyms("words.csv"), r"^augmentation.path must end in .tsv or .parquet, got words.csv"),
    ],
)
def test_values_out_of_range_are_refused(make: Callable[[str], object], message: str, tmp_path: Path) -> None:
    path = written(tmp_path, "tsv", {"word": ["alpha"], "synonym": ["beta"]})
    with pytest.raises(ValueError, match=message):
        make(path)


@pytest.mark.parametrize("content", ["", "word\tsynonym\n", "word\tsynonym\nalpha\t \n"])
def test_an_empty_table_is_refused(content: str, tmp_path: Path) -> None:
    place = tmp_path / "words.tsv"
    with pytest.raises(FileNotFoundError, match=r"^augmentation.path must be a file, and .*words.tsv does not exist"):
        Synonyms(str(place))
    place.write_text(content)
    with pytest.raises(ValueError, match=r"^augmentation.path must have a row at least, and .*words.tsv has none"):
        Synonyms(str(place))


def test_tables_without_effect_are_refused(pairs: str, others: str) -> None:
    with pytest.raises(
        ValueError, match=r"^augmentation=synonyms has no effect, since none of 3 words of .* is in 1 t"
    ):
        Synonyms(pairs).prepare(CATALOG, ["delta"])
    strangers = Catalog(pl.DataFrame({"item": [1, 2]}), np.ones(3, np.int64))
    with pytest.raises(
        ValueError, match=r"^augmentation=paraphrases has no effect, since none of 2 items of .* 2 of the"
    ):
        Paraphrases(others).prepare(strangers, TITLES)
    with pytest.raises(
        ValueError, match=r"^augmentation=word_dropout has no effect, since none of 1 texts has two word"
    ):
        WordDropout().prepare(CATALOG, ["delta"])


def test_items_read_changed_texts_in_training_alone(language_model: Callable[..., str], others: str) -> None:
    def made(titles: list[str]) -> TextItems:
        torch.manual_seed(0)
        catalog = Catalog(pl.DataFrame({"item": [7, 9], "title": titles}), np.ones(3, np.int64))
        return TextItems(catalog, 8, language_model("bert"), "{title}", max_tokens=20, fresh=None)

    plain, changed, asked_for = made(["alpha beta", "delta"]), made(["alpha beta", "delta"]), torch.tensor([0, 2, 1])
    change = Paraphrases(others, 1.0)
    change.by_id = {"7": ["mu nu xi"]}
    changed.augment(change, CATALOG)
    wanted = made(["mu nu xi", "delta"])
    for part in (plain, changed, wanted):
        part.train()
    with torch.no_grad():
        assert torch.allclose(changed.vectors(asked_for), wanted.vectors(asked_for), atol=1e-6)
        assert torch.allclose(changed.table(), wanted.table(), atol=1e-6)
        assert not torch.allclose(changed.vectors(asked_for), plain.vectors(asked_for), atol=1e-3)
        changed.eval()
        plain.eval()
        assert torch.equal(changed.vectors(asked_for), plain.vectors(asked_for))
        assert torch.equal(changed.table(), plain.table())


def test_kept_states_of_lower_layers_are_not_taken_for_changed_texts(
    language_model: Callable[..., str], others: str
) -> None:
    items = TextItems(films(), 8, language_model("bert"), "{title}", max_tokens=20, fresh=None)
    for parameter in [*items.encoder.embeddings.parameters(), *items.encoder.encoder.layer[0].parameters()]:  # type: ignore[union-attr, operator, index]
        parameter.requires_grad_(False)
    items.train()
    before = items.vectors(torch.tensor([3]))
    change = Paraphrases(others, 1.0)
    change.by_id = {"2": ["xi pi rho"]}
    items.augment(change, films())
    assert not torch.allclose(items.vectors(torch.tensor([3])), before, atol=1e-3)


def test_an_encoder_that_is_run_once_refuses(language_model: Callable[..., str]) -> None:
    items = TextItems(films(), 8, language_model("bert"), "{title}", max_tokens=20)
    items.encoder.requires_grad_(False)
    with pytest.raises(ValueError, match=r"^augmentation=WordDropout has no effect on items whose encoder stays as it"):
        items.augment(WordDropout(), films())


def test_prompts_are_changed_in_training_alone_and_alike_within_a_row(language_model: Callable[..., str]) -> None:
    tokenizer = AutoTokenizer.from_pretrained(language_model("llama"))
    prompts = Prompts(films(), tokenizer, [" phi", " tau"], LINES, "{{ title }}", blank=["pi"])
    row = asked([6, 1], [6, 7], [1.0, 1.0])
    before = [text(prompts, ids) for ids in prompts(row).ids]
    prompts.augment(WordDropout(0.5), films())
    assert [text(prompts, ids) for ids in prompts(row).ids] == before
    drawn = set()
    for seed in range(5):
        torch.manual_seed(seed)
        first, second = (text(prompts, ids) for ids in prompts(row, training=True).ids)
        of_history = first.split(" tau")[0]
        assert first == f"{of_history} tau alpha tau mu {of_history} nu"
        assert second == f"{of_history} tau alpha tau mu pi nu"  # no item
        drawn.add(of_history)
    assert len(drawn) > 2


@pytest.mark.parametrize("kind", [PromptLM, PromptEncoder])
def test_models_over_prompts_read_changed_texts_in_training_alone(
    kind: type[Any], language_model: Callable[..., str]
) -> None:
    folder = language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)
    prompt = partial(Prompts, template=LINES, item="{{ title }}", max_tokens=60)
    model = kind(films(), prompt, folder, [" rho", " tau"])
    row, nothing = asked([6, 5], [4]), torch.empty(0)
    before = model.eval().states(row, nothing)
    model.augment(WordDropout(0.6), films())
    assert torch.equal(model.eval().states(row, nothing), before)
    torch.manual_seed(0)
    assert not torch.allclose(model.train().states(row, nothing), before, atol=1e-3)


def test_a_language_model_that_does_not_train_refuses(language_model: Callable[..., str]) -> None:
    folder = language_model("llama", tie_word_embeddings=True, max_position_embeddings=99)
    prompt = partial(Prompts, template=LINES, item="{{ title }}", max_tokens=60)
    model = PromptLM(films(), prompt, folder, [" rho", " tau"])
    model.requires_grad_(False)
    with pytest.raises(
        ValueError, match=r"^augmentation=WordDropout has no effect on a language model that stays as it"
    ):
        model.augment(WordDropout(), films())
