# shellcheck shell=bash disable=SC2154
# The two public images that all others are built from; where they cannot be pulled, stand-ins
# of the same names, made from Debian's packages and this machine's Rust.

debian_image=debian:trixie-slim
rust_image=rust:1.95-slim-trixie
rust_least=1.95

image_present() { within 20 docker image inspect "$1" >/dev/null 2>&1; }

ensure_base_images() {
  ensure_debian_image
  ensure_rust_image
}

ensure_debian_image() {
  if image_present "$debian_image" || attempt "pulling $debian_image" pull "$debian_image"; then return; fi
  require_installing "the image $debian_image cannot be pulled here, and a stand-in" \
    "give this machine access to an image registry, or: docker load -i FILE"
  say "the public image cannot be pulled here: building a stand-in with debootstrap, about 1 minute"
  if ! has debootstrap; then
    step "installing debootstrap" apt_install debootstrap debian-archive-keyring ||
      missing "debootstrap could not be installed."
  fi
  step "building $debian_image" import_debian ||
    missing "neither the image $debian_image nor a stand-in can be had." \
      "Give this machine access to an image registry, or: docker load -i FILE"
}

ensure_rust_image() {
  if image_present "$rust_image" || attempt "pulling $rust_image" pull "$rust_image"; then return; fi
  rust_on_path || missing "the image $rust_image cannot be pulled here, nor a stand-in built without Rust." \
    "Install Rust $rust_least or later: https://rustup.rs" \
    "Or give this machine access to an image registry, or: docker load -i FILE"
  ensure_debian_image
  say "the public image cannot be pulled here: building a stand-in with $(rustc --version), about 1 minute"
  step "building $rust_image" build_rust_image || missing "the stand-in for $rust_image could not be built."
}

rust_on_path() {
  has cargo && has rustc && at_least "$(rustc --version 2>/dev/null | cut -d ' ' -f 2)" "$rust_least"
}

# Two deadlines: a registry out of reach shows within seconds, a slow line may take its time.
pull() {
  local output=$scratch/pull pull_id
  docker pull "$1" >"$output" 2>&1 &
  pull_id=$!
  if ! wait_until 20 pull_decided "$pull_id" "$output" || ! wait_until 900 pull_ended "$pull_id"; then
    kill "$pull_id" 2>/dev/null || true
  fi
  cat "$output"
  wait "$pull_id"
}

pull_ended() { ! kill -0 "$1" 2>/dev/null; }

pull_decided() { pull_ended "$1" || grep -q 'Pulling from' "$2"; }

# Named only when it is whole.
import_debian() {
  local image
  make_debian_tree "$scratch/tree" &&
    image=$(as_root tar -C "$scratch/tree" --numeric-owner --one-file-system -c . |
      within 300 docker import --change 'CMD ["bash"]' --change 'LABEL stagecraft.stand-in=debootstrap' -) &&
    docker tag "$image" "$debian_image" &&
    as_root rm -rf --one-file-system "$scratch/tree"
}

make_debian_tree() {
  # shellcheck disable=SC2046 # without a mirror of the machine's own, debootstrap knows Debian's
  as_root timeout --foreground 900 debootstrap --variant=minbase --keyring="$debian_keyring" \
    trixie "$1" $(debian_mirror) || return
  # Like the public image: no manuals, and no daemon starts because it was installed.
  # Unlike it: the host's apt proxy and certificates, as its mirrors may need them.
  # shellcheck disable=SC2016 # for the inner shell
  as_root sh -euc '
    cd "$1"
    rm -rf var/cache/apt/archives/*.deb var/lib/apt/lists/* var/log/*.log
    find usr/share/doc -type f ! -name copyright -delete
    rm -rf usr/share/man/* usr/share/info/* usr/share/locale/*
    printf "path-exclude /usr/share/%s/*\n" man info locale >etc/dpkg/dpkg.cfg.d/no-manuals
    echo force-unsafe-io >etc/dpkg/dpkg.cfg.d/no-sync
    printf "#!/bin/sh\nexit 101\n" >usr/sbin/policy-rc.d
    chmod 755 usr/sbin/policy-rc.d
    apt-config dump | grep -E "^Acquire::(Check-(Date|Valid-Until)|https?::Proxy) " >etc/apt/apt.conf.d/from-host || true
    echo "Acquire::Languages \"none\";" >>etc/apt/apt.conf.d/from-host
    if [ -r "$2" ]; then
      mkdir -p usr/local/share/stagecraft
      install -m 644 "$2" usr/local/share/stagecraft/ca-bundle.crt
      echo "Acquire::https::CAInfo \"/usr/local/share/stagecraft/ca-bundle.crt\";" >>etc/apt/apt.conf.d/from-host
    fi
  ' sh "$1" "${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}"
}

# No more than what the public image has, so that nothing comes to need it.
build_rust_image() {
  local proxies='' bundle=/usr/local/share/stagecraft/ca-bundle.crt variable
  for variable in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
    [ -z "${!variable:-}" ] || proxies="$proxies $variable=\"${!variable}\""
  done
  within 1200 docker build --pull=false -t "$rust_image" -f - "$(rustc --print sysroot)" <<DOCKERFILE
FROM $debian_image
RUN apt-get update \\
 && apt-get install -y --no-install-recommends ca-certificates gcc libc6-dev \\
 && rm -rf /var/lib/apt/lists/* \\
 && { [ -e $bundle ] || { mkdir -p ${bundle%/*} && ln -s /etc/ssl/certs/ca-certificates.crt $bundle; }; }
ENV CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:\$PATH
ENV CARGO_HTTP_CAINFO=$bundle SSL_CERT_FILE=$bundle$proxies
COPY bin /usr/local/cargo/bin
COPY lib /usr/local/cargo/lib
LABEL stagecraft.stand-in=host-toolchain
DOCKERFILE
}
