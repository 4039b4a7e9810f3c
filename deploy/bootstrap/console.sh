# shellcheck shell=bash disable=SC2154
# What the person sees: one line per step on stderr, the commands' own output in a log.
# Exit codes: 0 done, 1 did not hold, 2 wrong usage, 3 something needed is missing.

log=$root/target/stage.log
exec 3>&2 # the console, also while a step's own output goes to the log

say() { printf '%s\n' "$*" >&3; }

# Ends with exit code 3: the first argument says what is missing, the others how to get it.
missing() {
  printf 'stage: %s\n' "$1" >&3
  shift
  [ $# -eq 0 ] || printf '  %s\n' "$@" >&3
  exit 3
}

# step "what" COMMAND...: runs COMMAND with its output in the log; shows the log's end if it fails.
step() {
  attempt "$@" && return
  tail -n 8 "$log" | cut -c 1-150 | sed 's/^/    | /' >&3
  say "    all it said is in $log"
  return 1
}

# attempt "what" COMMAND...: a step that may fail, because there is another way.
attempt() {
  local what=$1 began=$SECONDS
  shift
  say "==> $what"
  mkdir -p "$root/target"
  printf '\n==> %s\n' "$what" >>"$log"
  # The console and the lock are this script's alone: a daemon must not inherit them.
  if "$@" >>"$log" 2>&1 </dev/null 3>&- 9<&-; then
    say "    done in $((SECONDS - began)) s"
  else
    say "    failed after $((SECONDS - began)) s"
    return 1
  fi
}
