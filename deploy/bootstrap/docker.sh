# shellcheck shell=bash disable=SC2154
# The Docker engine, listening on its unix socket only, with Compose and BuildKit's client.

# The first Compose that merges the paths of one include list the way the stages' layers need.
compose_least=2.24.4
buildx_least=0.10
docker_by_hand="install Docker Engine with Compose $compose_least or later: https://docs.docker.com/engine/install/"
engine_log=/var/log/dockerd.log
plugin_folder=/usr/local/lib/docker/cli-plugins

engine_answers() { has docker && within 10 docker version >/dev/null 2>&1; }

engine_version() { within 10 docker version --format '{{.Server.Version}}' 2>/dev/null; }

compose_version() {
  within 10 docker compose version --short 2>/dev/null | sed 's/^v//; s/[-+~].*//'
}

compose_works() { at_least "$(compose_version)" "$compose_least"; }

buildx_version() { within 10 docker buildx version 2>/dev/null | awk '{ print $2 }'; }

buildx_works() { [ -n "$(buildx_version)" ]; }

ensure_docker() {
  ensure_engine
  if ! compose_works; then
    require_installing "Docker Compose $compose_least or later" "$docker_by_hand"
    ensure_plugin compose "$compose_least" docker-compose-plugin docker-compose-v2 docker-compose
    compose_works || missing "Docker Compose $compose_least or later is missing." "By hand: $docker_by_hand"
  fi
  if ! buildx_works; then
    require_installing "Docker's buildx" "$docker_by_hand"
    ensure_plugin buildx "$buildx_least" docker-buildx-plugin docker-buildx
    buildx_works || missing "Docker's buildx is missing." "By hand: $docker_by_hand"
  fi
}

ensure_engine() {
  if engine_answers || use_packaged_client; then return; fi
  if in_docker_group_after_login; then restart_in_docker_group; fi
  require_installing "a running Docker engine" "$docker_by_hand"
  if ! has dockerd || ! has docker; then
    step "installing the Docker engine" install_engine ||
      missing "the Docker engine could not be installed." "By hand: $docker_by_hand"
  fi
  if ! root_reaches_engine; then
    step "starting the Docker engine" start_engine ||
      missing "the Docker engine does not start." "Its log: $engine_log, or: journalctl -u docker"
  fi
  if engine_answers || use_packaged_client; then return; fi
  join_docker_group
}

install_engine() {
  local packages=(docker.io ca-certificates)
  apt_lists_present || apt update || return
  # Debian 13 has the client in a package of its own.
  if [ -n "$(apt_candidate docker-cli)" ]; then packages+=(docker-cli); fi
  # Where AppArmor is on, no container starts without its parser.
  if grep -qs Y /sys/module/apparmor/parameters/enabled; then packages+=(apparmor); fi
  apt_install "${packages[@]}"
}

start_engine() {
  if [ -d /run/systemd/system ]; then
    as_root timeout --foreground 90 systemctl enable --now docker || return
  elif ! engine_process_lives; then
    # In a session of its own, so that it outlives this terminal.
    # shellcheck disable=SC2016 # for the inner shell
    as_root sh -c 'setsid dockerd </dev/null >>"$1" 2>&1 &' sh "$engine_log" || return
  fi
  wait_until 60 root_reaches_engine
}

engine_process_lives() { [ -d "/proc/$(cat /run/docker.pid 2>/dev/null || echo none)" ]; }

root_reaches_engine() { as_root timeout --foreground 10 /usr/bin/docker version >/dev/null 2>&1; }

# A client first on PATH may be too new for the distribution's engine.
use_packaged_client() {
  [ -x /usr/bin/docker ] && within 10 /usr/bin/docker version >/dev/null 2>&1 || return
  say "using /usr/bin/docker: $(command -v docker) does not speak with this engine"
  mkdir -p "$root/target/tools/docker"
  ln -sfn /usr/bin/docker "$root/target/tools/docker/docker"
  export PATH=$root/target/tools/docker:$PATH
}

# The engine runs, but this user may not talk to it.
join_docker_group() {
  local user
  user=$(id -un)
  if id -nG | grep -qwE 'root|docker'; then
    missing "the Docker engine runs, but does not answer to $user." "docker version says why."
  fi
  say "==> adding $user to the group docker, as good as root; undo: sudo gpasswd -d $user docker"
  as_root usermod -aG docker "$user"
  restart_in_docker_group
}

# A new group counts from the next log-in on, or in a shell started with it.
in_docker_group_after_login() {
  id -nG "$(id -un)" | grep -qw docker && ! id -nG | grep -qw docker
}

restart_in_docker_group() {
  hand_over sg docker -c "$(printf '%q ' "$root/stage" "${arguments[@]}")"
}

# ensure_plugin NAME LEAST PACKAGE...: the first of these packages that is new enough here, else
# Debian 13's unpacked into the plugin folder: it needs no more than libc 2.34.
ensure_plugin() {
  local plugin=$1 least=$2 package
  shift 2
  if ! apt_lists_present; then step "reading the package lists" apt update || return 0; fi
  for package in "$@"; do
    if at_least "$(apt_candidate "$package")" "$least"; then
      step "installing Docker's $plugin" apt_install "$package" || true
      return 0
    fi
  done
  step "installing Docker's $plugin, as packaged for Debian 13" unpack_plugin "docker-$plugin" || true
}

unpack_plugin() {
  local plugin=$1 folder=$scratch/trixie
  trixie_download "$folder" "$plugin" &&
    dpkg-deb --fsys-tarfile "$folder/$plugin"_*.deb |
    tar -xO "./usr/libexec/docker/cli-plugins/$plugin" >"$folder/$plugin" &&
    as_root install -D -m 755 "$folder/$plugin" "$plugin_folder/.$plugin.new" &&
    as_root mv "$plugin_folder/.$plugin.new" "$plugin_folder/$plugin"
}
