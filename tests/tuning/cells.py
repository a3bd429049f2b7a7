"""Every fine-tuning method on every kind of trunk: the cells of the validity table, and a part for each kind.

``python -m tests.tuning.cells`` writes the table anew.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from transformers import BertConfig, BertModel, LlamaConfig, LlamaModel

from rec_lightning.backbones.hf_sequence import HFSequence
from rec_lightning.backbones.hf_trunks import pretrained
from rec_lightning.backbones.sasrec import SASRec
from rec_lightning.contracts import Catalog, Tunable, Tuning
from rec_lightning.few_bits import quantise
from rec_lightning.items.id import IdItems
from rec_lightning.items.pretrained import PretrainedItems
from rec_lightning.items.text import TextItems
from rec_lightning.runtime.composition import conf_dir
from rec_lightning.tuning.apply import tuned
from tests.members import members

TUNINGS = members("tuning")
# kind -> what a reader calls it
KINDS = {
    "encoder": "encoder (BERT)",
    "quantised": "encoder in 4 bits (BERT)",
    "decoder": "causal LM (Llama)",
    "backbone": "own backbone of an earlier run (SASRec)",
    "scratch": "own backbone, new (SASRec)",
    "id": "id embedding",
    "vectors": "causal LM over item vectors (Llama)",
    "table": "pretrained vectors",
}
TABLE = conf_dir().parent / "experiments" / "peft_validity" / "README.md"

Model = Callable[..., str]


def tuning(choice: str, kind: str) -> Tuning:
    """As its file in ``conf/tuning`` says, with the target that fits the trunk."""
    made: Tuning = instantiate(OmegaConf.load(conf_dir() / "tuning" / f"{choice}.yaml"))
    if made.target == "items" and slot(kind) == "backbone":
        made.target = "backbone"
    return made


def part(kind: str, catalog: Catalog, language_model: Model) -> nn.Module:
    """The same part at every call."""
    torch.manual_seed(0)
    if kind == "encoder":
        return TextItems(catalog, 16, language_model("bert"), max_tokens=20, fresh=None)
    if kind == "quantised":
        return TextItems(catalog, 16, language_model("bert"), max_tokens=20, fresh=None, quantize="nf4")
    if kind == "decoder":
        return TextItems(catalog, 16, language_model("llama"), max_tokens=20, fresh=None, pooling="last")
    if kind == "vectors":
        trunk = partial(pretrained, model=language_model("llama"))
        return HFSequence(32, max_length=8, trunk=trunk, dropout=0.0)
    if kind == "table":
        rows = torch.randn(catalog.size, 24, generator=torch.Generator().manual_seed(2))
        return PretrainedItems(catalog, 16, lambda _: rows)
    if kind == "id":
        return IdItems(catalog, 16)
    made = SASRec(32, max_length=8, dropout=0.0)
    made.pretrained = kind == "backbone"  # as ``init`` does
    return made


def slot(kind: str) -> str:
    """Which of the two parts of a model it is."""
    return "backbone" if kind in ("backbone", "scratch", "vectors") else "items"


def _trunk(kind: str) -> tuple[nn.Module, str, bool]:
    # what a method sees of each kind, without weights
    sizes = {"vocab_size": 30, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4}
    if kind in ("encoder", "quantised"):
        made = BertModel(BertConfig(**sizes, intermediate_size=64), add_pooling_layer=False)
        if kind == "quantised":
            quantise(made, "nf4", "items.quantize")
        return made, "items=TextItems", True
    if kind == "decoder":
        return LlamaModel(LlamaConfig(**sizes, intermediate_size=64)), "items=TextItems", True
    if kind == "vectors":
        return LlamaModel(LlamaConfig(**sizes, intermediate_size=64)), "backbone=HFSequence", True
    nothing = Catalog.empty(())
    if kind == "backbone":
        return SASRec(32, 8).trunk, "backbone=SASRec", True
    new: Tunable = SASRec(32, 8) if kind == "scratch" else IdItems(nothing, 16)
    if kind == "table":
        new = PretrainedItems(nothing, 16, lambda _: torch.empty(0, 24))
    return new.trunk, f"{slot(kind)}={type(new).__name__}", new.pretrained


@cache
def refusal(choice: str, kind: str) -> str:
    """What the method says of such a trunk when a run is composed; empty where it is valid."""
    with torch.device("meta"):
        trunk, name, pretrained = _trunk(kind)
        try:
            tuned(tuning(choice, kind), trunk, name, pretrained)
        except ValueError as error:
            return str(error)
    return ""


VALID = [(choice, kind) for choice in TUNINGS for kind in KINDS if not refusal(choice, kind)]


def table() -> str:
    """The validity table as Markdown, each refusal once below it."""
    said = list[str]()
    rows = []
    for choice in TUNINGS:
        title = (conf_dir() / "tuning" / f"{choice}.yaml").read_text().splitlines()[0].removeprefix("# ")
        cells = []
        for kind in KINDS:
            text = refusal(choice, kind).replace(f"tuning={choice} ", "tuning=... ")
            if text and text not in said:
                said.append(text)
            cells.append(f"no ({said.index(text) + 1})" if text else "yes")
        rows.append(f"| `{choice}` | {title.partition(': ')[2]} | {' | '.join(cells)} |")
    head = f"| `tuning=` | what it is | {' | '.join(KINDS.values())} |"
    notes = [f"{number}. `{text}`" for number, text in enumerate(said, 1)]
    return "\n".join(
        [head, "|" + "---|" * (2 + len(KINDS)), *rows, "", "Refused when the run is composed:", "", *notes]
    )


def page() -> str:
    """The whole file."""
    return (
        "# Which fine-tuning method works on which trunk\n\n"
        "Generated by `python -m tests.tuning.cells` with each method as its file in `conf/tuning` has it;\n"
        "`tests/tuning/test_validity.py` holds it to the code, and `tests/tuning/test_contract.py` runs every valid "
        "cell.\n\n" + table() + "\n"
    )


if __name__ == "__main__":
    TABLE.parent.mkdir(parents=True, exist_ok=True)
    TABLE.write_text(page())
