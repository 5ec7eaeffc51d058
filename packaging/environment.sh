# The Python environment of a checkout, and Debian packages where they are missing. Sourced by the other scripts.

# Installs Debian packages that are missing; says which ones an ordinary user has to ask for.
need_packages() {
  local missing=()
  for package in "$@"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
  done
  [ ${#missing[@]} -eq 0 ] && return
  if [ "$(id -u)" != 0 ]; then
    echo "Not installed, and only root can: ${missing[*]}" >&2
    return 1
  fi
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 -q -y update >/dev/null
  apt-get -o DPkg::Lock::Timeout=300 -q -y --no-install-recommends install "${missing[@]}" >/dev/null
}

# Prints a Python from 3.11 on that can make environments. That of the distribution comes first: the package runs with it,
# and it was built with all optimizations, which one that somebody has compiled seldom is.
find_python() {
  local python
  for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    if "$python" -c 'import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  return 1
}

# Installs with pip, which is heard only if it fails.
pip_install() {
  local log
  log=$(mktemp)
  if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# Makes .venv and installs the gateway into it, with the given dependency groups.
make_environment() {
  local python groups=() group
  for group in "$@"; do groups+=(--group "$group"); done
  if [ ! -x .venv/bin/python ]; then
    find_python >/dev/null || need_packages python3 python3-venv
    python=$(find_python) || { echo "Python 3.11 or later with venv is needed (Debian: python3-venv)" >&2; return 1; }
    "$python" -m venv .venv
  fi
  # An environment that this very project file made is up to date.
  local mark=.venv/installed${1:+-$1}
  if [ ! -e "$mark" ] || ! cmp -s pyproject.toml "$mark"; then
    echo "Installing into .venv …" >&2
    pip_install --upgrade 'pip>=25.1'
    pip_install --editable . "${groups[@]}"
    cp pyproject.toml "$mark"
  fi
}

# Installs what clients in TypeScript and JavaScript need, into .venv/typescript; without Node.js and npm, their tests are
# skipped.
make_typescript_environment() {
  local project=tests/contract/clients/package.json where=.venv/typescript
  command -v npm >/dev/null || need_packages nodejs npm || return 0
  cmp -s "$project" "$where/package.json" && return
  mkdir -p "$where"
  cp "$project" "$where/new.json"
  rm -rf "$where/node_modules" "$where/package.json"
  mv "$where/new.json" "$where/package.json"
  if ! npm --prefix "$where" install --no-audit --no-fund --no-package-lock --loglevel=error >&2; then
    rm -f "$where/package.json"
    return 1
  fi
}
