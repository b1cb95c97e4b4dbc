"""Augmentation: a pure function of its generator that keeps shapes, and what it does to a batch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from core.data.batching import example_rng
from plugins.images.augmentation import (
    LIGHT,
    POLICIES,
    STRONG,
    Policy,
    apply_shade,
    blend,
    evaluation_affine,
    inside,
    mix,
    vary,
    warp,
)

IMAGE = torch.rand(1, 3, 40, 40, generator=torch.Generator().manual_seed(0))


def as_numbers(policy: Policy, seed: int, epoch: int, index: int) -> list[float]:
    rng = example_rng(seed, epoch, index)
    mixing = mix(policy, index, 50, rng)
    drawn = vary(policy, (30, 20), 0.9, rng)
    numbers = np.concatenate([drawn.affine.ravel(), drawn.shade, drawn.erase]).tolist()
    return [*numbers, *((mixing.partner, mixing.share, *mixing.paste) if mixing else ())]


def test_what_is_drawn_is_a_function_of_seed_epoch_and_index() -> None:
    first = as_numbers(STRONG, 1, 2, 3)
    np.random.seed(5)
    torch.manual_seed(5)
    assert as_numbers(STRONG, 1, 2, 3) == first
    assert all(as_numbers(STRONG, *other) != first for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)))


def test_an_example_without_variation_is_seen_as_evaluation_sees_it() -> None:
    drawn = vary(Policy(), (30, 20), 0.9, example_rng(0, 0, 0))
    np.testing.assert_allclose(drawn.affine, evaluation_affine((30, 20), 0.9), atol=1e-6)
    np.testing.assert_allclose(drawn.shade, 1)
    assert not drawn.erase.any()


def test_the_centre_square_of_a_wide_image_keeps_its_shape() -> None:
    """A wide image is stored squeezed; the affine map must look at the middle third of a 3:1 image only."""
    affine = torch.tensor(evaluation_affine((90, 30), 1.0))
    corners = affine @ torch.tensor([[-1.0, 1.0], [-1.0, 1.0], [1.0, 1.0]])
    torch.testing.assert_close(corners, torch.tensor([[-1 / 3, 1 / 3], [-1.0, 1.0]]))


def test_the_identity_changes_nothing_and_a_mirror_mirrors() -> None:
    identity = torch.tensor([[[1.0, 0, 0], [0, 1.0, 0]]])
    torch.testing.assert_close(warp(IMAGE, identity, 40), IMAGE, atol=1e-5, rtol=0)
    mirror = torch.tensor([[[-1.0, 0, 0], [0, 1.0, 0]]])
    torch.testing.assert_close(warp(IMAGE, mirror, 40), IMAGE.flip(-1), atol=1e-5, rtol=0)


def test_half_are_mirrored_only_where_it_was_asked_for() -> None:
    def mirrored(policy: Policy) -> float:
        return float(np.mean([vary(policy, (10, 10), 1, example_rng(0, 0, i)).affine[0, 0] < 0 for i in range(400)]))

    assert mirrored(LIGHT) == 0
    assert 0.4 < mirrored(Policy(flip=True)) < 0.6


@pytest.mark.parametrize("name", ["light", "strong"])
def test_variations_stay_within_their_limits(name: str) -> None:
    policy = POLICIES[name]
    drawn = [vary(policy, (10, 10), 1.0, example_rng(0, 0, index)) for index in range(500)]
    areas = np.asarray([abs(np.linalg.det(each.affine[:, :2])) for each in drawn])
    assert areas.min() >= policy.scale[0] ** 2 - 1e-5
    assert areas.max() <= policy.scale[1] ** 2 + 1e-5
    assert np.abs([each.affine[:, 2] for each in drawn]).max() <= 2 * policy.shift + 1e-6
    assert np.abs(np.asarray([each.shade for each in drawn]) - 1).max() <= policy.shade + 1e-6
    erased = np.mean([each.erase.any() for each in drawn])
    assert abs(erased - policy.erase) < 0.08


def test_shares_of_mixed_examples_are_those_asked_for_and_partners_are_others() -> None:
    policy = Policy(mixup=0.3, cutmix=0.2)
    drawn = [mix(policy, index % 10, 10, example_rng(0, 1, index)) for index in range(2000)]
    pasted = [each for each in drawn if each is not None and each.paste.any()]
    blended = [each for each in drawn if each is not None and not each.paste.any()]
    assert abs(len(blended) / 2000 - 0.3) < 0.04
    assert abs(len(pasted) / 2000 - 0.2) < 0.04
    assert all(each is None or each.partner != index % 10 for index, each in enumerate(drawn))
    assert {each.partner for each in drawn if each} == set(range(10))
    assert all(0 <= each.share <= 1 for each in drawn if each)


def test_nothing_is_mixed_into_the_only_example() -> None:
    assert mix(Policy(mixup=1.0), 0, 1, example_rng(0, 0, 0)) is None


def test_a_pasted_part_has_the_area_of_its_share_in_the_target() -> None:
    policy = Policy(cutmix=1.0)
    for index in range(50):
        drawn = mix(policy, index, 50, example_rng(0, 0, index))
        assert drawn is not None
        covered = inside(torch.tensor(drawn.paste)[None], 200).float().mean()
        assert abs(float(covered) - (1 - drawn.share)) < 0.01


def test_blending_and_pasting() -> None:
    black, white = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    paste = torch.tensor([[0.0, 0, 0, 0], [0.5, 0.0, 1.0, 1.0]])
    mixed = blend(black, white, torch.tensor([0.25, 0.5]), paste)
    torch.testing.assert_close(mixed[0], torch.full((3, 4, 4), 0.75))
    torch.testing.assert_close(mixed[1, :, :, :2], torch.zeros(3, 4, 2))
    torch.testing.assert_close(mixed[1, :, :, 2:], torch.ones(3, 4, 2))


def test_shading() -> None:
    torch.testing.assert_close(apply_shade(IMAGE, torch.ones(1, 3)), IMAGE)
    brighter = apply_shade(IMAGE, torch.tensor([[1.5, 1.0, 1.0]]))
    torch.testing.assert_close(brighter, (IMAGE * 1.5).clamp(0, 1))
    grey = apply_shade(IMAGE, torch.tensor([[1.0, 1.0, 0.0]]))
    torch.testing.assert_close(grey[:, 0], grey[:, 2])
    flat = apply_shade(IMAGE, torch.tensor([[1.0, 0.0, 1.0]]))
    assert float(flat.std()) < 1e-6


def test_a_box_covers_the_pixels_whose_centres_it_holds() -> None:
    box = inside(torch.tensor([[0.25, 0.5, 0.75, 1.0], [0, 0, 0, 0]]), 4)
    assert box[0, 0].int().tolist() == [[0] * 4, [0] * 4, [0, 1, 1, 0], [0, 1, 1, 0]]
    assert not box[1].any()
