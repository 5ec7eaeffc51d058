#!/usr/bin/env bash
# Writes the generated files anew: the reference of the vendor's endpoints, the captures of simulated cameras, and the
# catalogues of translations. Run it after a change of the vendor's catalogue, the simulator or a text, and look at the
# difference before you commit it.
set -euo pipefail
cd "$(dirname "$0")/.."
. packaging/environment.sh
make_environment test
.venv/bin/sunmi-gateway catalogue --markdown > gateway/protocol/catalogue/REFERENCE.md
WRITE_CAPTURES=1 .venv/bin/python -m pytest -q tests/cameras/test_capture.py -k kept_capture_of_a_simulated_camera
.venv/bin/python packaging/translations.py
