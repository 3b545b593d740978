"""The pictures, the table and the report of a run of train.py."""

import json
import os
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import TINY, make_model, make_trainer

from demos import train
from demos.training import report
from vae_np import Adam, Trainer
from vae_np.datasets import Dataset


def test_before_the_first_epoch_has_ended_there_are_pictures_but_no_curves(
    images, monkeypatch, tmp_path
):
    seen = {}
    for name in ("learning_curves", "reconstructions", "image_grid"):
        monkeypatch.setattr(
            report.figures,
            name,
            lambda *of, name=name, **more: seen.setdefault(name, []).append(of),
        )
    trainer, data = make_trainer(images), Dataset(images, images, (2, 3))
    for seed in (0, 0, 1):
        report.draw_pictures(trainer, data, tmp_path, seed)
    assert seen.keys() == {"reconstructions", "image_grid"}
    samples = [of[0] for of in seen["image_grid"]]
    np.testing.assert_array_equal(samples[0], samples[1])
    assert (samples[0] != samples[2]).any()


def test_the_report_is_of_all_epochs_and_all_test_images(images, monkeypatch, capsys, tmp_path):
    def judge(model, tests, *given, **more):
        judged.append(len(tests))
        return estimate(model, tests, *given, **more)

    judged, estimate = [], report.importance_sampled_log_likelihood
    monkeypatch.setattr(report, "importance_sampled_log_likelihood", judge)
    trainer, args = make_trainer(images), SimpleNamespace(decoder="bernoulli", kl_warm_up=0)
    args.binarize = False
    trainer.fit(3, lambda: {"test_elbo": -4.0}, progress=False)
    vars(trainer)["_seconds"] = 0.05
    report.report(trainer, Dataset(images, np.tile(images, (4, 1)), (2, 3)), args, tmp_path)
    summary = json.loads((tmp_path / "summary.json").read_text(encoding="utf-8"))
    assert judged == [4 * 38]
    assert (summary["seconds"], summary["examples_per_second"]) == (0.05, 3 * 38 / 0.05)
    said = capsys.readouterr().out
    assert "\ntraining              0.1 s, 2,280 examples per second, 1 thread\n" in said


def test_a_table_takes_the_place_of_the_one_before_when_it_is_whole(tmp_path):
    path, row = tmp_path / "history.csv", {"epoch": 1, "test_elbo": -4.5}
    report.write_history([row], path)
    os.link(path, tmp_path / "kept")
    report.write_history([row, row | {"epoch": 2}], path)
    before = b"epoch,test_elbo\r\n1,-4.5\r\n"
    assert (tmp_path / "kept").read_bytes() == before  # a new file, and never half a one
    assert path.read_bytes() == before + b"2,-4.5\r\n"


def test_pictures_have_the_images_shape_and_the_curves_all_epochs(images, monkeypatch, tmp_path):
    seen, model = {}, make_model(latent=2)
    for name in "learning_curves reconstructions image_grid manifold latent_scatter".split():
        monkeypatch.setattr(
            report.figures, name, lambda *of, name=name, **more: seen.update({name: of})
        )
    trainer = Trainer(model, Adam(model.parameters), images, batch_size=10)
    for epochs in (1, 12):
        trainer.history[:] = [{"epoch": epoch} for epoch in range(1, epochs + 1)]
        report.draw_pictures(trainer, Dataset(images, images, (2, 3)), tmp_path, 0)
        assert len(seen) == 5 and seen["learning_curves"][0] == trainer.history
    np.testing.assert_array_equal(seen["reconstructions"][0], model.as_pixels(images[:12]))
    assert {seen[name][-2] for name in ("reconstructions", "image_grid", "manifold")} == {(2, 3)}


@pytest.mark.parametrize("option", ["--overwrite", "--resume"])
@pytest.mark.parametrize("name", ["checkpoint.npz", "samples.png"])
def test_a_folder_in_a_files_place_is_named_before_anything_is_removed(
    stripes, monkeypatch, capsys, option, name
):
    monkeypatch.chdir(stripes)
    run = ["--data", "stripes.npz", *TINY, "--out", "r"]
    assert train.main(run) == 0
    (stripes / "r" / name).unlink()
    (stripes / "r" / name).mkdir()
    before = sorted((stripes / "r").iterdir())
    assert train.main([*run, option, "--epochs", "9"]) == 2
    said = f"{Path('r', name)} is a folder, where a file is to be: move it away"
    assert said in capsys.readouterr().err
    assert sorted((stripes / "r").iterdir()) == before and len(before) > 4
