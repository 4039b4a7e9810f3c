# shellcheck shell=bash disable=SC2154
# Prometheus, for tests that ask a real one. Unpacked from its package into target/tools, not
# installed: the package would start a server on this machine.

prometheus_folder=$root/target/tools/prometheus

ensure_prometheus() {
  if ! has prometheus; then
    [ -x "$prometheus_folder/usr/bin/prometheus" ] || unpack_prometheus
    PATH=$prometheus_folder/usr/bin:$PATH
    export PATH
  fi
  prometheus --version >/dev/null 2>&1 || missing "prometheus does not run." "By hand: install prometheus."
}

unpack_prometheus() {
  require_installing "prometheus" "install prometheus"
  step "fetching prometheus" fetch_prometheus || missing "prometheus cannot be fetched." "By hand: install it."
}

fetch_prometheus() {
  local folder=$scratch/prometheus
  mkdir -p "$folder" "$(dirname "$prometheus_folder")" || return
  apt_lists_present || apt update || return
  (cd "$folder" && within 300 apt-get download prometheus) || return
  dpkg -x "$folder"/prometheus_*.deb "$folder/unpacked" || return
  rm -rf "$prometheus_folder"
  mv "$folder/unpacked" "$prometheus_folder"
}
