import math

import numpy as np
import pytest

from deepnrc.data.sets.driving.pure_pursuit import Pose, center_line, drive, nearest_point


def pose(x, y, heading, speed):
    return Pose(float(x), float(y), float(heading), float(speed))


def circle(radius, *, points=None):
    """A round track around the origin, counterclockwise from (radius, 0), a point every 3.5 m."""
    n = points or round(2 * math.pi * radius / 3.5)
    angle = 2 * math.pi * np.arange(n) / n
    return center_line(radius * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def straight():
    """A long narrow loop that starts northward along the y axis."""
    up = np.stack([np.zeros(80), 3.5 * np.arange(80)], axis=1)
    return center_line(np.concatenate([up, up[::-1] + np.array([40, 0])]))


@pytest.mark.parametrize("radius", [12.0, 50.0, 200.0])
def test_curvature_of_a_circle(radius):
    line = circle(radius)
    # Turn over chord length: chord = 2 R sin(turn / 2), so 1/R but for a third-order term.
    turn = 2 * math.pi / len(line.points)
    exact = turn / (2 * math.sin(turn / 2)) / radius
    np.testing.assert_allclose(line.curvature, exact, rtol=1e-9)  # rounding of arctan2


def test_curvature_is_smoothed_over_five_points_and_never_negative():
    line = straight()
    assert line.curvature.min() == 0
    # A quarter turn between segments of 3.5 and 40 m, shared by five points, two of them corners.
    corner = (math.pi / 2) / ((3.5 + 40) / 2)
    np.testing.assert_allclose(
        line.curvature[76:84] * 5 / corner, [0, 1, 2, 2, 2, 2, 1, 0], atol=1e-12
    )


def test_straight_ahead_on_a_straight_road():
    command = drive(straight(), pose(0, 35, 0, 30), nearest=10)
    assert command.steering == 0
    assert command.gas == 0.5  # 10 m/s missing asks for more than allowed
    assert command.brake == 0


@pytest.mark.parametrize("side", [-1, 1])
def test_steers_back_to_the_road(side):
    """Off the line by 3 m the goal lies 3 m aside at a distance of 15 m."""
    command = drive(straight(), pose(side * 3, 36, 0, 30), nearest=10)
    # Right is positive: from the right of the line it steers left.
    expected = -side * math.atan(2 * 3.24 * (3 / 15) / 15)
    assert command.steering == pytest.approx(expected, rel=1e-12)  # rounding only


@pytest.mark.parametrize("turned", [-0.2, 0.2])
def test_steers_against_its_heading(turned):
    """Headings count counterclockwise; the goal is straight north at 15 m."""
    command = drive(straight(), pose(0, 36, turned, 30), nearest=10)
    expected = math.atan(2 * 3.24 * math.sin(turned) / 15)
    assert command.steering == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(("side", "turned"), [(3, 0.3), (3, -0.3), (-3, 0.3)])
def test_steers_by_place_and_heading_together(side, turned):
    command = drive(straight(), pose(side, 36, turned, 30), nearest=10)
    bearing = turned - math.asin(side / 15)  # of the goal, clockwise from the nose
    expected = math.atan(2 * 3.24 * math.sin(bearing) / 15)
    assert command.steering == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("radius", [12.0, 20.0, 50.0])
def test_on_a_circle_it_steers_along_the_circle(radius):
    """Through car and goal on the circle, tangent to it, goes the circle itself: atan(L / R)."""
    command = drive(circle(radius), pose(radius, 0, 0, 30), nearest=0)
    # Chords of 3.5 m lie inside the circle by at most 3.5² / (8 R), 13 cm at 12 m.
    assert command.steering == pytest.approx(-math.atan(3.24 / radius), rel=0.02)


def test_the_wheels_turn_no_further_than_they_can():
    """The car stands across the road; a goal right beside it would ask for 0.408."""
    assert drive(straight(), pose(0, 35, -math.pi / 2, 10), nearest=10).steering == -0.4
    assert drive(straight(), pose(0, 35, math.pi / 2, 10), nearest=10).steering == 0.4


def test_a_car_far_off_heads_for_the_nearest_point():
    command = drive(straight(), pose(-20, 35, -math.pi / 4, 10), nearest=10)
    # Heading −π/4 is northeast; the nearest point is due east at 20 m, 45 degrees to the right.
    assert command.steering == pytest.approx(math.atan(2 * 3.24 * math.sin(math.pi / 4) / 20))


@pytest.mark.parametrize(
    ("radius", "speed", "gas", "brake"),
    [
        (16.0, 20.0, 0.0, 0.0),  # √(25 · 16) = 20 m/s
        (16.0, 16.0, 0.4, 0.0),
        (16.0, 24.0, 0.0, 0.2),
        (16.0, 0.0, 0.5, 0.0),
        (16.0, 60.0, 0.0, 0.5),
        (400.0, 40.0, 0.0, 0.0),  # not 100 m/s
        (400.0, 38.0, 0.2, 0.0),
    ],
)
def test_speed_follows_the_bend(radius, speed, gas, brake):
    command = drive(circle(radius), pose(radius, 0, 0, speed), nearest=0)
    # The curvature of a coarse circle is high by turn²/24, under 1 % here: 0.1 m/s of 20.
    assert command.gas == pytest.approx(gas, abs=0.01)
    assert command.brake == pytest.approx(brake, abs=0.01)


def test_brakes_for_a_bend_that_is_35_m_ahead():
    line = straight()
    # Point 78 is the first that asks for less than 40 m/s, and ten points are looked at.
    assert drive(line, pose(0, 3.5 * 68, 0, 40), nearest=68).brake == 0
    assert drive(line, pose(0, 3.5 * 69, 0, 40), nearest=69).brake > 0


def test_the_nearest_point_is_looked_for_nearby_and_around_the_end():
    line = straight()
    assert nearest_point(line, pose(1, 3.5 * 12 + 1, 0, 0), around=10) == 12
    assert nearest_point(line, pose(1, 3.5 * 6 + 1, 0, 0), around=10) == 6
    # The way back runs along at 40 m; a car pushed to 30 m is still on the way out.
    assert nearest_point(line, pose(30, 3.5 * 60, 0, 0), around=60) == 60
    assert nearest_point(line, pose(0, 0, 0, 0), around=158) == 0
    assert nearest_point(line, pose(40, 3.5, 0, 0), around=0) == 158


@pytest.mark.parametrize("start", [-4.0, 0.0, 4.0])
def test_a_bicycle_driven_by_it_keeps_to_a_winding_track(start):
    """A car without slip, that obeys at once, on a track of bends as sharp as CarRacing's."""
    angle = np.linspace(0, 2 * math.pi, 320, endpoint=False)
    radius = 150 + 25 * np.sin(5 * angle)
    line = center_line(np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1))
    first = line.points[1] - line.points[0]
    car = pose(150 + start, 0, math.atan2(-first[0], first[1]), 10)
    nearest, offsets = 0, []
    for _ in range(2500):  # 50 s at 20 to 40 m/s: once around
        nearest = nearest_point(line, car, around=nearest)
        offsets.append(math.dist(line.points[nearest], (car.x, car.y)))
        command = drive(line, car, nearest=nearest)
        turn = -car.speed / 3.24 * math.tan(command.steering)
        car = Pose(
            car.x - car.speed * math.sin(car.heading) / 50,
            car.y + car.speed * math.cos(car.heading) / 50,
            car.heading + turn / 50,
            car.speed + (30 * command.gas - 60 * command.brake) / 50,
        )
    assert max(offsets) < 5  # of 6.7 to either side; 1.75 of it may be half a point's distance
    assert max(offsets[-500:]) < 2.5
