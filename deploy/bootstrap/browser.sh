# shellcheck shell=bash disable=SC2154
# Chromium with its driver, for the browser test.

chromium_path() { command -v chromium || command -v chromium-browser || command -v google-chrome; }

browser_works() { chromium_path >/dev/null && has chromedriver; }

ensure_browser() {
  browser_works && return
  require_installing "Chromium with chromedriver" "install Chromium and its chromedriver"
  # Ubuntu's packages of these names fetch snaps.
  if grep -qs '^ID=ubuntu' /etc/os-release; then
    step "installing Chromium" apt_install chromium-browser chromium-chromedriver || true
  else
    step "installing Chromium" apt_install chromium chromium-driver fonts-dejavu-core || true
  fi
  browser_works || missing "Chromium with chromedriver is missing." "By hand: install both."
}
