"""Two clocks that disagree: how much faster or slower an output has to be read."""

from __future__ import annotations

import numpy as np

PROPORTIONAL = 0.03  # per second
INTEGRAL = PROPORTIONAL**2 / 4  # critically damped
MOST = 500e-6
SLEW_PER_S = 20e-6
LEARNT_S = 2.0  # until it knows how much usually waits
SMOOTH_S = 1.0


class Drift:
    """Keeps the sound that waits between input and output constant (a PI controller).

    Attributes:
        ratio: by how much faster than nominal the sound is to be read; positive where the input's
            clock runs faster than the output's.
    """

    def __init__(self) -> None:
        self.ratio = self.sum = 0.0
        self.usual_s: float | None = None
        self.mean = 0.0
        self.first: list[float] = []
        self.age_s = 0.0

    @property
    def ppm(self) -> float:
        """What was learnt of the clocks, in millionths."""
        return 1e6 * self.sum

    def learn_anew(self) -> None:
        """What usually waits is another now; what is known of the clocks stays."""
        self.usual_s, self.mean, self.first, self.age_s = None, 0.0, [], 0.0

    def update(self, excess_s: float, passed_s: float) -> None:
        """Tell how much more waits than the delay says (any constant offset is learnt)."""
        self.age_s += passed_s
        if self.usual_s is None:
            self.first.append(excess_s)
            if self.age_s >= LEARNT_S:
                self.usual_s = float(np.median(self.first))
            return
        self.mean += min(1.0, passed_s / SMOOTH_S) * (excess_s - self.usual_s - self.mean)
        self.sum = float(np.clip(self.sum + INTEGRAL * self.mean * passed_s, -MOST, MOST))
        goal = float(np.clip(self.sum + PROPORTIONAL * self.mean, -MOST, MOST))
        most = SLEW_PER_S * passed_s
        self.ratio += float(np.clip(goal - self.ratio, -most, most))
