# shellcheck shell=bash disable=SC2154
# The machine: which system it is, who may install on it, how long a thing may take.

# Where Debian keeps dockerd and debootstrap, and not on an ordinary user's path.
PATH=$PATH:/usr/sbin:/sbin

has() { command -v "$1" >/dev/null 2>&1; }

# at_least 2.26.1 2.24.4: is the first version the second or newer?
at_least() { [ -n "$1" ] && [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# within SECONDS COMMAND...: ends COMMAND after that time. macOS has no timeout, but perl.
within() {
  if has timeout; then
    timeout --foreground --kill-after=5 "$@"
  else
    perl -e 'alarm shift; exec @ARGV or exit 127' "$@"
  fi
}

# wait_until SECONDS COMMAND...: true as soon as COMMAND is, false when time is up.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.2
  done
}

# Debian and Ubuntu are the systems this script installs on.
installable_system() { has apt-get && grep -qsE '^ID="?(debian|ubuntu)"?$' /etc/os-release; }

may_be_root() {
  [ "$(id -u)" -eq 0 ] || { has sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; }
}

as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -- "$@"; fi; }

# require_installing WHAT HOW: goes on only where this run may install; HOW is the way by hand.
require_installing() {
  if ! installable_system; then
    missing "$1 is missing, and ./stage installs on Debian and Ubuntu only." "By hand: $2"
  elif [ "$installs" != yes ]; then
    missing "$1 is missing." "./stage up installs it." "By hand: $2"
  elif ! may_be_root; then
    missing "$1 is missing, and installing it needs root." \
      "Run ./stage as root, or where sudo works. By hand: $2"
  fi
}

# One installation at a time. The lock is a handle on a folder that is the same for every user
# and checkout, so there is no lock file to create, to own or to leave behind.
lock_installation() {
  has flock || return 0
  exec 9</usr/lib
  flock --nonblock 9 && return
  say "another ./stage is installing: waiting for it"
  flock --timeout 1800 9 ||
    missing "another ./stage has been installing for 30 minutes." "End it, then try again."
}

unlock_installation() { exec 9<&-; }

# A folder for half-made things, gone however this script ends. Not under /tmp, which may be
# small and may forbid programs and devices.
make_scratch() {
  scratch=$(mktemp -d /var/tmp/stagecraft.XXXXXX)
  trap remove_scratch EXIT
  trap 'exit 130' INT TERM
}

remove_scratch() {
  if [ -d "$scratch/tree" ]; then
    # A system tree made by root; an interrupted debootstrap may have left /proc mounted in it.
    as_root rm -rf --one-file-system "$scratch"
  else
    rm -rf "$scratch"
  fi
}

# Replaces this script by COMMAND.
hand_over() {
  remove_scratch
  unlock_installation
  exec "$@" 3>&-
}
