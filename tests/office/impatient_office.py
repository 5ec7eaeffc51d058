"""The command with short pauses: `python -m tests.office.impatient_office office …`.

It takes over roll-outs soon, and finds soon that servers are away.
"""

from collections.abc import Callable
from typing import Any

from gateway.cli.main import main
from gateway.office import stored_messages
from gateway.office.rollout_run import RolloutRun
from gateway.office.rollout_service import advance_rollouts, follow_rollout

PAUSES = {"lease_s": 3.0, "tick_s": 0.2}
BATCH_TIMEOUT_S = 0.5

if __name__ == "__main__":
    vars(stored_messages).update(TIMEOUT_S=BATCH_TIMEOUT_S, FIRST_WAIT_S=BATCH_TIMEOUT_S)
    functions: list[Callable[..., Any]] = [RolloutRun.__init__, follow_rollout, advance_rollouts]
    for function in functions:
        defaults = function.__kwdefaults__ or {}
        defaults.update({name: value for name, value in PAUSES.items() if name in defaults})
    main()
