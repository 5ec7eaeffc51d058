"""Run the command as `python -m firmware_tools`."""

from firmware_tools.cli import main

if __name__ == "__main__":
    main()
