"""Words that stand for labels, one token each, so that one look at the next token tells how likely each is.

Relations: ``prompt_lm`` reads their probabilities, ``prompts`` writes them into histories.
"""

from __future__ import annotations

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase

OPTION = "backbone.words"


def word_ids(words: Sequence[str], tokenizer: PreTrainedTokenizerBase, model: str) -> list[int]:
    """The token of each word.

    Args:
        words: in the order of the labels, each with the space before it that the prompt's end leaves out.
        tokenizer: of the model.
        model: its name, for the messages.

    Raises:
        ValueError: fewer than two words, a word that is no single token, or two that are the same one.
    """
    if len(words) < 2:
        raise ValueError(f"{OPTION} must be two words at least, one a label, got {list(words)}. Set {OPTION}.")
    found = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
    for word, ids in zip(words, found, strict=True):
        if len(ids) != 1 or ids[0] == tokenizer.unk_token_id:
            pieces = ", ".join(map(str, tokenizer.convert_ids_to_tokens(ids)))
            raise ValueError(
                f"{OPTION} must be single tokens of {model}, and {word!r} is {len(ids)} ({pieces}). "
                f"Set {OPTION} to other words, or with another space before them."
            )
    if len({ids[0] for ids in found}) < len(found):
        raise ValueError(f"{OPTION} must differ in their tokens, got {list(words)}. Set {OPTION}.")
    return [int(ids[0]) for ids in found]
