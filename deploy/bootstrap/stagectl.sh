# shellcheck shell=bash disable=SC2154
# stagectl, the program that does what ./stage commands say; built here, from this checkout.

run_stagectl() {
  export STAGECRAFT_ROOT=$root
  if rust_on_path; then
    build_stagectl
    hand_over "$root/target/debug/stagectl" "$@"
  elif [ "$(uname -s)" = Linux ]; then
    build_static_stagectl
    hand_over "$static_folder/stagectl" "$@"
  else
    require_rust
  fi
}

require_rust() {
  rust_on_path || missing "Rust $rust_least or later is missing." "Install it: https://rustup.rs"
}

# Cargo knows best whether there is anything to do.
build_stagectl() {
  local quiet=--quiet
  if [ ! -x "$root/target/debug/stagectl" ]; then
    say "==> building stagectl, about 1 minute the first time"
    quiet=
  fi
  # shellcheck disable=SC2086 # an option or nothing
  (cd "$root" && within 1800 cargo build $quiet --target-dir "$root/target" -p stagectl >&2) || exit 1
}

# Without Rust on the host: built in the Rust image, linked statically so that it runs on any
# Linux, and built again when a source changes.
static_folder=$root/target/stagectl-static

build_static_stagectl() {
  local sources
  sources=$(cd "$root" && find Cargo.toml Cargo.lock crates -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
  if [ -x "$static_folder/stagectl" ] && [ "$sources" = "$(cat "$static_folder/sources" 2>/dev/null)" ]; then return; fi
  ensure_rust_image
  mkdir -p "$static_folder/build"
  step "building stagectl in $rust_image, about 2 minutes the first time" compile_static_stagectl || exit 1
  cp "$static_folder/build/$static_target/debug/stagectl" "$static_folder/stagectl.$$"
  mv "$static_folder/stagectl.$$" "$static_folder/stagectl"
  printf '%s\n' "$sources" >"$static_folder/sources"
}

static_target=$(uname -m)-unknown-linux-gnu

compile_static_stagectl() {
  within 1800 docker run --rm --user "$(id -u):$(id -g)" \
    --volume "$root:/src:ro" --volume "$static_folder/build:/build" --workdir /src \
    --env CARGO_HOME=/build/cargo --env RUSTFLAGS='-C target-feature=+crt-static' \
    "$rust_image" cargo build --locked -p stagectl --target "$static_target" --target-dir /build
}
