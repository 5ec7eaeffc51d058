"""Commands of a chain where its client library is not installed, as after a plain `pip install .`."""

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("missing", ["nats", "nacl"])
@pytest.mark.parametrize(
    "words", [("fleet", "join", "127.0.0.1:9/berlin-1/AAAA"), ("office", "init"), ("office", "shops", "--folder")]
)
def test_a_missing_library_is_named_before_anything_is_done(
    missing: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    given = f"import sys; sys.modules[{missing!r}] = None; from gateway.__main__ import main; main()"
    settings = tmp_path / "gateway.toml"
    settings.write_text(f'[storage]\ndirectory = "{tmp_path / "state"}"\n')
    folder = [] if words[0] == "fleet" else [str(tmp_path / "chain")]
    done = subprocess.run(
        [sys.executable, "-c", given, "--config", str(settings), *words, *folder],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "pip install '.[fleet]'" in done.stderr
    assert "Traceback" not in done.stderr
    assert [one.name for one in tmp_path.iterdir()] == ["gateway.toml"]
