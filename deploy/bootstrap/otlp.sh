# shellcheck shell=bash disable=SC2154
# A receiver of OTLP, for the test that sends traces to a real one: Rotel, from a Python wheel kept in
# target/tools. The test finds it in STAGECRAFT_OTLP_RECEIVER.

otlp_venv=$root/target/tools/rotel
otlp_by_hand='install Rotel and set STAGECRAFT_OTLP_RECEIVER to it'

ensure_otlp() {
  find_otlp || fetch_otlp || missing "a receiver of OTLP is missing." "By hand: $otlp_by_hand"
  export STAGECRAFT_OTLP_RECEIVER
}

find_otlp() {
  if [ -z "${STAGECRAFT_OTLP_RECEIVER:-}" ]; then
    STAGECRAFT_OTLP_RECEIVER=$(compgen -G "$otlp_venv/lib/python3.*/site-packages/rotel/rotel-agent") || return
  fi
  "$STAGECRAFT_OTLP_RECEIVER" --version >/dev/null 2>&1 || {
    STAGECRAFT_OTLP_RECEIVER=
    return 1
  }
}

fetch_otlp() {
  local python=/usr/bin/python3 version
  require_installing "a receiver of OTLP" "$otlp_by_hand"
  # The program embeds the system's own Python, whichever else comes first on PATH.
  "$python" -c 'import ensurepip' 2>/dev/null ||
    step "installing python3-venv" apt_install python3-venv || return
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') || return
  ldconfig -p | grep -q "libpython$version.so" ||
    step "installing libpython$version" apt_install "libpython$version" || return
  step "fetching Rotel as a Python wheel" install_rotel_wheel "$python" && find_otlp
}

install_rotel_wheel() {
  within 60 "$1" -m venv --clear "$otlp_venv" &&
    within 300 "$otlp_venv/bin/pip" install --disable-pip-version-check --retries 2 --require-hashes --no-deps \
      --only-binary :all: -r "$root/deploy/bootstrap/rotel-requirements.txt"
}
