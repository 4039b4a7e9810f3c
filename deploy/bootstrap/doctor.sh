# shellcheck shell=bash disable=SC2154
# ./stage doctor: what is missing or tight, one line each. Installs nothing, needs nothing.

doctor() {
  local as_json=no found='' needed=0
  case "$*" in
    '') ;;
    --json) as_json=yes ;;
    *) usage_error "doctor takes no argument but --json" ;;
  esac
  examine_docker
  examine_images
  examine_ports
  examine_resources
  examine_tools
  if [ "$as_json" = yes ]; then
    printf '{"missing":%d,"checks":[%s]}\n' "$needed" "${found%,}"
  fi
  [ "$needed" -eq 0 ] || exit 3
}

# finding ok|warn|missing WHAT SEEN [DO]: missing is what no stage runs without.
finding() {
  [ "$1" != missing ] || needed=$((needed + 1))
  if [ "$as_json" = yes ]; then
    found="$found{\"name\":$(json_string "$2"),\"status\":\"$1\",\"seen\":$(json_string "$3"),\"do\":$(json_string "${4:-}")},"
  else
    printf '%-8s %-18s %s%s\n' "$1" "$2" "$3" "${4:+: $4}"
  fi
}

json_string() {
  local text=${1//\\/\\\\}
  printf '"%s"' "${text//\"/\\\"}"
}

examine_docker() {
  local get_docker=$docker_by_hand version
  installable_system && get_docker='./stage up installs and starts it'
  if ! has docker && ! has dockerd; then
    finding missing "docker engine" "not installed" "$get_docker"
  elif engine_answers || use_packaged_client; then
    finding ok "docker engine" "$(engine_version)"
  elif engine_process_lives; then
    finding missing "docker engine" "runs, but does not answer to $(id -un)" "docker version says why; be root or in the group docker"
  else
    finding missing "docker engine" "not running" "$get_docker"
  fi
  version=$(compose_version) || true
  if at_least "$version" "$compose_least"; then
    finding ok "docker compose" "$version"
  else
    finding missing "docker compose" "${version:-none}, need $compose_least" "$get_docker"
  fi
  version=$(buildx_version) || true
  if [ -n "$version" ]; then
    finding ok "docker buildx" "$version"
  else
    finding missing "docker buildx" "none" "$get_docker"
  fi
}

examine_images() {
  local image stand_in
  for image in "$debian_image" "$rust_image"; do
    if ! stand_in=$(within 20 docker image inspect --format '{{index .Config.Labels "stagecraft.stand-in"}}' "$image" 2>/dev/null); then
      finding warn "image" "$image is not here" "./stage up pulls it, or builds a stand-in"
    elif [ -n "$stand_in" ]; then
      finding ok "image" "$image, a stand-in ($stand_in)"
    else
      finding ok "image" "$image"
    fi
  done
}

# Ports that a container of this checkout publishes are as they should be.
examine_ports() {
  local port ours
  ours=$(within 10 docker ps --format '{{.Label "com.docker.compose.project.working_dir"}} {{.Ports}}' 2>/dev/null |
    awk -v folder="$root" 'index($0, folder) == 1') || true
  for port in "${FRONT_PORT:-8080}" "${CDN_PORT:-8085}" "${REGION_A_PORT:-8081}" "${REGION_B_PORT:-8082}" \
    "${CONTROL_PORT:-8090}" "${PROMETHEUS_PORT:-9090}"; do
    case $ours in
      *":$port->"*) finding ok "port $port" "held by our own stage" ;;
      *)
        if (exec 8<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
          finding warn "port $port" "taken by another program" "end it, or choose another port"
        else
          finding ok "port $port" "free"
        fi
        ;;
    esac
  done
}

# The figures the largest stage was measured with, k6 and the builds of its images included.
examine_resources() {
  local cores memory disk cgroup
  cores=$(getconf _NPROCESSORS_ONLN)
  amount "cpu" "$cores" 2 "cores" "stages 6 to 8 are slow with fewer"
  memory=$(awk '/^MemAvailable/ { print int($2 / 1048576) }' /proc/meminfo 2>/dev/null) ||
    memory=$(($(sysctl -n hw.memsize 2>/dev/null || echo 0) / 1073741824))
  amount "memory" "$memory" 4 "GB available" "close other programs; the first stages need less"
  disk=$(df -Pk "$root" | awk 'NR == 2 { print int($4 / 1048576) }')
  amount "disk" "$disk" 15 "GB free here" "docker system df shows what Docker holds"
  if has dockerd && [ -d /var/lib/docker ]; then
    disk=$(df -Pk /var/lib/docker | awk 'NR == 2 { print int($4 / 1048576) }')
    amount "docker's disk" "$disk" 10 "GB free" "docker system df shows what Docker holds"
  fi
  if [ "$(uname -s)" = Linux ]; then
    cgroup=$(stat -fc %T /sys/fs/cgroup 2>/dev/null) || true
    case $cgroup in
      cgroup2fs) finding ok "cgroup" "version 2" ;;
      tmpfs) finding ok "cgroup" "version 1" ;;
      *) finding warn "cgroup" "none mounted" "without it no box can be capped" ;;
    esac
  fi
}

# amount WHAT SEEN LEAST UNIT DO
amount() {
  if [ "$2" -ge "$3" ]; then
    finding ok "$1" "$2 $4"
  else
    finding warn "$1" "$2 $4, less than $3" "$5"
  fi
}

examine_tools() {
  if find_k6; then
    finding ok "k6" "$STAGECRAFT_K6"
  else
    finding warn "k6" "none, needed by check and break" "./stage up fetches it, or $k6_by_hand"
  fi
  if browser_works; then
    finding ok "chromium" "$(chromium_path)"
  else
    finding warn "chromium" "none with chromedriver, needed by test" "./stage test installs it on Debian and Ubuntu"
  fi
  if rust_on_path; then
    finding ok "rust" "$(rustc --version)"
  else
    finding warn "rust" "none of $rust_least or later, needed by test" "https://rustup.rs; stages are built in containers"
  fi
}
