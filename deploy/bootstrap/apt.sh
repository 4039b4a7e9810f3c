# shellcheck shell=bash disable=SC2154
# Packages of Debian and Ubuntu, and Debian 13's from the mirror this machine already uses.

debian_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

apt() {
  as_root env DEBIAN_FRONTEND=noninteractive timeout --foreground --kill-after=10 1200 \
    apt-get -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@"
}

# Tries the lists that are there first: on a machine in use they are usually fresh enough.
apt_install() {
  apt install -y --no-install-recommends "$@" && return
  as_root dpkg --configure -a && apt update && apt install -y --no-install-recommends "$@"
}

apt_lists_present() { compgen -G '/var/lib/apt/lists/*Packages*' >/dev/null; }

# The version apt would install, without epoch and Debian revision; empty when there is none.
apt_candidate() {
  apt-cache policy "$1" 2>/dev/null |
    sed -n 's/^ *Candidate: //p' | sed 's/^(none)$//; s/^[0-9]*://; s/[-+~].*//'
}

# The machine's own Debian mirror; empty on Ubuntu, which has none of Debian's packages.
debian_mirror() {
  local mirror
  # shellcheck disable=SC2016 # apt's variables, not the shell's
  mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' 'Created-By: Packages' |
    awk '$1 == "Debian" && $2 == "Debian" && $3 == "main" { print $4; exit }')
  # Debian's cloud images name a file of mirrors, which debootstrap does not understand.
  case $mirror in
    mirror+file:*) awk '/^[^#]/ { print $1; exit }' "/$(sed 's#^mirror+file:/*##; s#/*$##' <<<"$mirror")" ;;
    *) printf '%s\n' "$mirror" ;;
  esac
}

# trixie_download FOLDER PACKAGE: downloads a package of Debian 13 without making Debian 13 a
# source of this machine: apt gets lists of its own, used once.
trixie_download() {
  local folder=$1 package=$2 mirror apt_trixie
  mirror=$(debian_mirror)
  if [ -z "$mirror" ]; then
    echo "there is no Debian mirror among the apt sources"
    return 1
  fi
  mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial" &&
    echo "deb [signed-by=$debian_keyring] $mirror trixie main" >"$folder/trixie.list" || return
  apt_trixie=(timeout --foreground 300 apt-get
    -o Acquire::Retries=3 -o Acquire::Languages=none -o APT::Sandbox::User="$(id -un)"
    -o Dir::Etc::sourcelist="$folder/trixie.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
    -o Dir::State::Lists="$folder/lists" -o Dir::Cache="$folder/cache")
  "${apt_trixie[@]}" update && (cd "$folder" && "${apt_trixie[@]}" download "$package")
}
