"""What every part stands on: supervised tasks, back-off, rate limits, failure logs."""
