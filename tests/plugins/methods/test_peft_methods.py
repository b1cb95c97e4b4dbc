"""peft's other methods: ranks that change, what is saved, what is refused; and LoRA's variants.

Covers: plugins/methods/lora_init.py, plugins/methods/peft_settings.py
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import graft_toy
import image_samples
import pytest
import torch
from decoder_samples import checkpoint, load_request, small_llama

from core.config.validation import check
from core.contracts.model import LoadedModel, TrainingPlan
from core.errors import ConfigError
from core.runtime.determinism import seed_everything
from core.testing.running import predicted, to_reopen, train_on
from core.testing.samples import sample_request
from plugins.images.plugin import Timm
from plugins.methods.lora import ALTERS_BASE, Lora
from plugins.methods.peft_methods import AdaLora, Ia3, Loha, Lokr, Oft, Vera, phases
from plugins.text.plugin import Decoder, Encoder

TINY: dict[str, Any] = {"hidden_size": 16, "layers": 2, "attention_heads": 2, "vocabulary": 300, "max_length": 32}
STEPS = 20


def bert() -> Encoder:
    return Encoder(init="scratch", architecture="bert", **TINY)


def applied(method: Any, steps: int = STEPS) -> Any:
    model = bert().load(sample_request())
    seed_everything(0)
    return method.apply(model, TrainingPlan(steps, 1.0))


def ranks(model: Any) -> list[int]:
    return [int((value != 0).sum()) for name, value in model.module.named_parameters() if ".lora_E." in name]


def adalora(**options: Any) -> AdaLora:
    return AdaLora(**{"rank": 2, "first_rank": 6, "every": 2, **options})


def test_ranks_fall_to_the_budget_and_only_they_are_saved(tmp_path: Path) -> None:
    from safetensors.torch import load_file

    method = adalora()
    model = applied(method)
    train_on(model, method, sample_request().train, STEPS, 1e-2)
    assert sum(ranks(model)) == 4 * 2
    before = predicted(model, sample_request().train[:9])
    model.save(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert sum(len(value) for name, value in saved.items() if "lora_E" in name) == sum(max(1, r) for r in ranks(model))
    again = method.reopen(bert(), to_reopen(sample_request(), tmp_path))
    assert abs(predicted(again, sample_request().train[:9]) - before).max() < 1e-6


def test_weights_of_an_earlier_step_are_saved_with_the_ranks_that_they_have(tmp_path: Path) -> None:
    """The weights kept may be of an evaluation before the last ranks were taken away."""
    from core.runtime.modules import load_trainable, trainable_state

    method = adalora()
    model = applied(method)
    request = sample_request()
    train_on(model, method, request.train, STEPS, 1e-2, stop=3)
    early = {name: value.clone() for name, value in trainable_state(model.module).items()}
    train_on(model, method, request.train, STEPS, 1e-2, start=3)
    load_trainable(model.module, early)
    assert sum(ranks(model)) == 4 * 6
    before = predicted(model, request.train[:9])
    model.save(tmp_path)
    again = method.reopen(bert(), to_reopen(request, tmp_path))
    assert abs(predicted(again, request.train[:9]) - before).max() < 1e-6


@pytest.mark.parametrize("middle", [4, 17])
def test_the_allocator_is_part_of_what_a_resumed_run_takes_back(middle: int) -> None:
    """Before the ranks settle its importances count, afterwards the choice that was made."""
    from core.runtime.modules import load_trainable, trainable_state

    request, whole, first, second = sample_request(), adalora(), adalora(), adalora()
    models = [applied(each) for each in (whole, first, second)]
    stop = min(middle + 4, STEPS)
    train_on(models[0], whole, request.train, STEPS, 1e-2, stop=stop)
    kept: dict[str, Any] = {}
    train_on(models[1], first, request.train, STEPS, 1e-2, stop=middle, kept=kept)
    state = first.state_dict()
    assert bool(state["pattern"]) == (middle > 4)
    load_trainable(models[2].module, trainable_state(models[1].module))
    second.load_state_dict(state)
    train_on(models[2], second, request.train, STEPS, 1e-2, start=middle, stop=stop, kept=kept)
    ended, found = whole.state_dict(), second.state_dict()
    assert found["pattern"] == ended["pattern"]
    for key in ("importance", "uncertainty"):
        assert all(torch.equal(found[key][name], value) for name, value in ended[key].items())
    assert (middle > 4) or ended["importance"]


def test_singular_vectors_are_kept_orthonormal_by_the_loss() -> None:
    free, held = applied(adalora(orthogonality=0)), applied(adalora(orthogonality=0.5))
    batch = free.collate([free.prepare(sample_request().train, True).fetch(row, 0, None) for row in range(4)])
    for model in (free, held):
        model.module.eval()
    extra = held.loss(batch) - free.loss(batch)
    vectors = [value for name, value in held.module.named_parameters() if ".lora_A." in name or ".lora_B." in name]
    squares = [value @ value.T if value.shape[0] == 6 else value.T @ value for value in vectors]
    skew = torch.stack([(each - torch.eye(6)).norm() for each in squares]).mean()
    torch.testing.assert_close(extra, (0.5 * skew).expand(4))


@pytest.mark.parametrize("total", [1, 2, 3, 5, 10, 1000])
@pytest.mark.parametrize(("start", "end"), [(0.1, 0.3), (0.0, 0.0), (0.9, 0.09)])
def test_there_is_always_a_step_in_which_ranks_may_move(total: int, start: float, end: float) -> None:
    before, after = phases(total, start, end)
    assert before >= 0
    assert after >= 0
    assert before + after < total


@pytest.mark.parametrize(
    ("method", "where", "message"),
    [
        (AdaLora(rank=8, first_rank=8), "method.first_rank", "must be above the final rank"),
        (AdaLora(start=0.5, end=0.5), "method.end", "leave no steps in which ranks change"),
        (Lora(init="loftq"), "method.init", "lora quantizes nothing"),
        (Lora(init="pissa", dora=True), "method.dora", "starts from factors of the weights"),
    ],
)
def test_options_that_mean_nothing_together(method: Any, where: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        check(graft_toy.config(method=method))
    assert where in [problem.where for problem in caught.value.problems]


@pytest.mark.parametrize("method", [Oft(), Loha(), Lokr(), Lora(init="olora")], ids=lambda each: each.name)
def test_what_peft_cannot_put_on_gpt2_is_refused(method: Any, tmp_path: Path) -> None:
    loader = Decoder(checkpoint=str(checkpoint(tmp_path, "gpt2")), max_length=32)
    with pytest.raises(ConfigError, match="default targets are linear layers with transposed weights"):
        method.apply(loader.load(load_request()), TrainingPlan(1, 1.0))
    with pytest.raises(ConfigError, match=r"matches transformer.h.0.attn.c_attn, which is a linear layer with"):
        replace(method, targets=["c_attn"]).apply(loader.load(load_request()), TrainingPlan(1, 1.0))


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_more_ranks_than_a_matrix_has_factors_are_refused_before_training(init: str) -> None:
    model = small_llama(hidden_size=16).load(load_request())
    with pytest.raises(ConfigError, match="32 is more than the 16 factors that the matrix"):
        Lora(rank=32, init=init).apply(model, TrainingPlan(1, 1.0))


def test_what_takes_factors_out_of_the_base_wants_it_in_full_precision() -> None:
    assert Lora().additive()
    assert Lora(init="gaussian").additive()
    assert not Lora(init="pissa").additive()
    assert not Lora(init="olora").additive()


def test_ia3_scales_inputs_of_feedforward_layers() -> None:
    model = applied(Ia3(feedforward=["output.dense"]))
    shapes = {name.rpartition(".ia3_l")[0][-12:]: tuple(value.shape) for name, value in model.module.named_parameters()
              if ".ia3_l." in name}  # fmt: skip
    assert shapes["output.dense"] == (1, 64)
    assert len([name for name, _ in model.module.named_parameters() if ".ia3_l." in name]) == 8


@pytest.mark.parametrize("projections", [True, False])
def test_vera_draws_its_matrices_from_the_seed_and_saves_them_where_asked(projections: bool, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    method = Vera(rank=8, projections=projections)
    model = applied(method)
    train_on(model, method, sample_request().train, 3, 1e-2)
    before = predicted(model, sample_request().train[:9])
    model.save(tmp_path)
    saved = load_file(tmp_path / "adapter_model.safetensors")
    assert any("vera_A" in name for name in saved) == projections
    again = method.reopen(bert(), to_reopen(sample_request(), tmp_path))
    assert abs(predicted(again, sample_request().train[:9]) - before).max() < 1e-6


@pytest.mark.parametrize("method", [Vera(), Oft(), Lora(init="pissa")])
def test_what_is_for_linear_layers_refuses_convolutions_by_name(method: Any) -> None:
    family = Timm(init="scratch", scratch="test_efficientnet", image_size=32)
    request = image_samples.load_request(image_samples.examples(12))
    with pytest.raises(ConfigError, match="this model's default targets are convolutions"):
        method.apply(family.load(request), TrainingPlan(1, 1.0))
    method.targets = ["conv_pw"]
    with pytest.raises(ConfigError, match=r"'conv_pw' matches .* which is a convolution, and "):
        method.apply(family.load(request), TrainingPlan(1, 1.0))


def test_lora_plus_gives_matrices_b_a_rate_of_their_own() -> None:
    model = applied(Lora(loraplus_lr_ratio=16))
    slow, fast = Lora(loraplus_lr_ratio=16).param_groups(model, 1e-3) or []
    assert fast.lr == pytest.approx(16e-3)
    assert slow.lr == 1e-3
    assert len(fast.names) == 4
    assert all(".lora_B." in name for name in fast.names)
    assert any("classifier" in name for name in slow.names)
    assert Lora().param_groups(model, 1e-3) is None


def pretrained(folder: Path) -> tuple[LoadedModel, Encoder]:
    """A model whose base exists on disk, as one from the Hub would."""
    bert().load(sample_request()).save(folder)
    loader = Encoder(checkpoint=str(folder), max_length=32)
    return loader.load(sample_request()), loader


@pytest.mark.parametrize("rslora", [False, True])
@pytest.mark.parametrize("init", ALTERS_BASE)
def test_what_starts_from_the_weights_is_saved_for_the_untouched_base(init: str, rslora: bool, tmp_path: Path) -> None:
    """peft alone opens it on the base from which training started, as a plain LoRA of twice the rank."""
    from peft import PeftModel

    model, loader = pretrained(tmp_path / "base")
    assert model.provenance.init == "pretrained"
    untouched = predicted(model, sample_request().train[:9])
    method = Lora(rank=2, init=init, rslora=rslora)
    seed_everything(0)
    adapted: Any = method.apply(model, TrainingPlan(4, 1.0))
    assert abs(predicted(adapted, sample_request().train[:9]) - untouched).max() < 1e-5
    train_on(adapted, method, sample_request().train, 4, 1e-2)
    before = predicted(adapted, sample_request().train[:9])
    adapted.save(tmp_path / "run")
    assert abs(predicted(adapted, sample_request().train[:9]) - before).max() == 0
    config = json.loads((tmp_path / "run" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["r"], config["init_lora_weights"]) == (4, True)
    again = loader.load(sample_request())
    again.module = PeftModel.from_pretrained(again.module, str(tmp_path / "run"))
    assert abs(predicted(again, sample_request().train[:9]) - before).max() < 1e-5
    opened = method.reopen(loader, to_reopen(sample_request(), tmp_path / "run"))
    assert abs(predicted(opened, sample_request().train[:9]) - before).max() < 1e-5
