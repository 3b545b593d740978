"""demos/gradient_check.py: every derivative is right, and a wrong one is caught."""

import json

import pytest
from conftest import run

from demos import gradient_check


def test_every_gradient_is_right(tmp_path):
    result = run(tmp_path, "gradient_check", "--json", "table.json")
    rows = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    assert len(rows) > 140
    assert all(row["passed"] and 0 <= row["relative_error"] < 1e-8 for row in rows)
    assert {"name", "derivatives", "relative_error", "passed"} <= rows[0].keys()
    names = " ".join(row["name"] for row in rows)
    for what in (
        "Linear",
        "Tanh",
        "ReLU",
        "Softplus",
        "Sigmoid",
        "DiagonalGaussian.KL",
        "DiagonalGaussian.sample",
        "Bernoulli.log_prob",
        "Bound sgvb-b",
        "Bound sgvb-a",
        "Bound importance-weighted",
        "GaussianEncoder",
        "BernoulliDecoder",
        "GaussianDecoder fixed",
        "GaussianDecoder learned",
        "GaussianDecoder per-output",
        "VAE, Bernoulli",
        "VAE, Gaussian",
        "VAE, SGVB-A",
        "VAE, importance-weighted",
        "HMC log p(x, z)",
        "Mean field q",
        "Score function, none",
        "Score function, leave-one-out",
    ):
        assert what in names
    assert result.stdout.strip().endswith("0 fail")


@pytest.mark.parametrize(
    ("name", "caught_by", "error"),
    [
        ("linear", "Linear: x", 1),
        ("tanh", "Tanh: x", 1),
        ("relu", "ReLU: x", 1),
        ("softplus", "Softplus: x", 1),
        ("sigmoid", "Sigmoid: x", 1),
        ("reparameterization", "DiagonalGaussian.sample: log_var", 1 / 3),
        ("gaussian-log-prob", "DiagonalGaussian.log_prob: log_var", 1 / 3),
        ("bernoulli-log-prob", "Bernoulli.log_prob: logits", 1),
        ("kl", "DiagonalGaussian.KL: log_var", 1 / 3),
        ("sgvb-b", "Bound sgvb-b: q's mean", 1),
        ("log-weight", "Bound sgvb-a: z", 1),
        ("log-joint", "HMC log p(x, z): z", 1),
        ("score-function", "Score function, none 2.weight", 1),
    ],
)
def test_a_planted_error_is_caught(tmp_path, name, caught_by, error):
    assert gradient_check.main(["--break", name, "--json", str(tmp_path / "table.json")]) == 1
    rows = json.loads((tmp_path / "table.json").read_text(encoding="utf-8"))
    row = {row["name"]: row for row in rows}[caught_by]
    assert not row["passed"]
    assert row["relative_error"] == pytest.approx(error, rel=1e-6)


def test_shares_of_another_power_are_caught(tmp_path):
    path = tmp_path / "table.json"
    assert gradient_check.main(["--break", "importance-weighted", "--json", str(path)]) == 1
    rows = json.loads(path.read_text(encoding="utf-8"))
    failed = {row["name"] for row in rows if not row["passed"]}
    assert "Bound importance-weighted: z" in failed
    assert all("mportance-weighted" in name for name in failed)


def test_what_cannot_be_had_is_said_in_one_line(tmp_path):
    for options, message in (
        (["--seed", -1], "argument --seed: wants a whole number of at least 0, got '-1'"),
        (["--json", tmp_path], "error: "),
    ):
        result = run(tmp_path, "gradient_check", *options, status=2)
        assert message in result.stderr.splitlines()[-1]
