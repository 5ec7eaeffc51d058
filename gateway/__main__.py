"""The beginning of `sunmi-gateway`, and of `python -m gateway`."""

import signal


def main() -> None:
    """Import the command line, which takes up to a second, and run it. Ctrl-C meanwhile ends it without a word."""
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # else it is ignored in the background
    if is_usual:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from gateway.cli.main import main as run

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
