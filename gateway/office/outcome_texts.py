"""The words for what becomes of things at the head office, for pages and commands alike."""

from collections.abc import Mapping
from typing import Final

from firmware_tools.language import Message, message
from gateway.fleet.documents import DesiredOutcome
from gateway.office.command_calls import CallOutcome
from gateway.office.rollout_documents import RolloutState, ShopOutcome

ROLLOUT_STATES: Final[Mapping[RolloutState, Message]] = {
    "running": message("under way"),
    "paused": message("paused"),
    "stopped": message("stopped by failures"),
    "ended": message("ended by a person"),
    "done": message("done"),
    "undoing": message("being undone"),
    "undone": message("undone"),
}
"""How a roll-out stands."""
SHOP_OUTCOMES: Final[Mapping[ShopOutcome, Message]] = {
    "applied": message("applied"),
    "refused": message("refused"),
    "rolled_back": message("rolled back"),
    "trouble": message("something does not work since"),
    "unfinished": message("not done in time"),
    "silent": message("connected, but silent"),
    "lost": message("lost since"),
    "away": message("away"),
    "pending": message("pending"),
    "undone": message("undone"),
}
"""What became of a roll-out in a shop."""
DESIRED_OUTCOMES: Final[Mapping[DesiredOutcome, Message]] = {
    "applied": message("applied"),
    "pending": message("pending"),
    "refused": message("refused"),
    "rolled_back": message("rolled back"),
}
"""What became of a part of the desired state in a shop."""
CALL_OUTCOMES: Final[Mapping[CallOutcome, Message]] = {
    "done": message("done"),
    "refused": message("refused"),
    "failed": message("failed"),
    "interrupted": message("interrupted"),
    "running": message("still at work"),
    "away": message("away"),
    "unreadable": message("unreadable"),
}
"""What became of a command in a shop."""
