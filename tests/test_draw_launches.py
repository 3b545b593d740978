"""The picture of a step's launches: to scale, by the recorded numbers."""

import itertools
import json

from as_recorded import check_told
from drawn_figures import described

from demos.documents import draw_launches


def test_the_picture_is_to_scale(tmp_path, capsys):
    measured = json.loads(draw_launches.RESULT.read_text(encoding="utf-8"))
    launches, kernels, launch, replayed = (row[1] for row in draw_launches.rows(measured))
    assert len(launches) == len(kernels) == len(replayed) == measured["kernels"]["recorded"]
    assert len(launch) == 1 and launch[0][1] < 3
    plain, recorded = measured["step_us"]["trainer_plain"][0][0], measured["step_us"]["recorded"][0]
    assert 0.97 * plain < sum(launches[-1]) <= plain
    assert 0.97 * recorded < sum(replayed[-1]) <= recorded + launch[0][1]
    for (start, width), (next_start, _) in itertools.pairwise(kernels):
        assert next_start - start > 5 * width  # it waits most of the time
    assert draw_launches.main(["--out", str(tmp_path)]) == 0
    assert (tmp_path / "launches.png").stat().st_size > 10_000
    assert capsys.readouterr().out.strip() == str(tmp_path / "launches.png")


def test_what_is_drawn_and_said(tmp_path):
    measured = json.loads(draw_launches.RESULT.read_text(encoding="utf-8"))
    check_told(tmp_path / "launches.txt", [described(draw_launches.drawing(measured))])
