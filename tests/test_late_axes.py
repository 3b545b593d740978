"""The y-axis of a learning curve: what is drawn late, and what the notes say lies outside."""

import numpy as np
import pytest
from test_figures import within

from vae_np import figures


def test_the_axis_is_that_of_the_late_part_and_says_what_lies_outside():
    figure = figures.Figure(figsize=(10, 3.6), layout="constrained")
    low, high, edge = figure.subplots(1, 3)
    for curve in ([-105] * 20, [-500, -300, *np.linspace(-110, -100, 18)], [-105] * 20):
        low.plot(range(20), curve)
    for curve in ([4.5] * 20, [90, *[5.0] * 18, 4.0], [4.5] * 20):
        high.plot(range(20), curve)
    edge.plot(range(3), [-1, 0, 10])  # starts where the axis does: not outside
    edge.plot(range(3), [11, 0, 10])
    figures.show_late(low, skip=0.1)
    figures.show_late(high, skip=0.1)
    figures.show_late(edge, skip=0.6)  # 1.8 points: 1
    assert low.get_ylim() == pytest.approx((-111, -99))
    assert high.get_ylim() == pytest.approx((3.9, 5.1))
    assert edge.get_ylim() == (-1, 11) and not edge.texts
    assert [text.get_text() for text in low.texts] == ["starts below, at -500"]
    assert [text.get_text() for text in high.texts] == ["starts above, at 90"]
    figure.draw_without_rendering()
    for axes, place in ((low, 0), (high, 1)):
        note, frame = axes.texts[0], axes.get_window_extent()
        y = (note.get_window_extent().y0 - frame.y0) / frame.height
        assert within(note, axes) and round(y) == place


def test_panels_of_one_axis_each_say_what_lies_outside_of_their_own():
    panels = figures.Figure().subplots(1, 2)
    panels[0].plot([0, 1], [1.0, 2.0])
    panels[1].plot([0, 1], [3.0, 4.0])
    figures.show_late(panels, skip=0)
    assert {axes.get_ylim() for axes in panels} == {(0.7, 4.3)}
    assert not panels[0].texts and not panels[1].texts
    panels[1].plot(range(4), [-70, 3, 3, 3])
    panels[1].plot(range(4), [90, 3, 3, 3])  # one starts below, another above
    figures.show_late(panels, skip=0.25)
    assert {axes.get_ylim() for axes in panels} == {(0.7, 4.3)}
    notes = [[text.get_text() for text in axes.texts] for axes in panels]
    assert notes == [[], ["starts below, at -70", "starts above, at 90"]]


def test_a_flat_curve_lies_in_the_middle():
    flat = figures.Figure().subplots()
    flat.plot([0, 1], [5.0, 5.0])
    figures.show_late(flat, skip=0)
    assert flat.get_ylim() == (4, 6)
