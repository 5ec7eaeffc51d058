"""A gateway without the pauses of a real one: `python -m tests.fleet.impatient_gateway SECONDS …` is the command.

A change that can cut the shop off has to prove itself within so many seconds.
"""

import sys

from gateway.cli.main import main
from gateway.fleet import desired_follower, followed_settings, link

if __name__ == "__main__":
    followed_settings.TRIAL_S = float(sys.argv.pop(1))  # type: ignore[misc]
    desired_follower.MIN_RUN_S = 0.0  # type: ignore[misc]
    desired_follower.SPREAD_S = 0.01  # type: ignore[misc]
    link.LISTEN_S = 0.0  # type: ignore[misc]
    main()
