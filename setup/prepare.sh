#!/usr/bin/env bash
# Installs what `npm start`, `npm test` and `npm run bench` need and is not there yet.
#
#     bash setup/prepare.sh start|test|bench
#
# Says in one line what it does; says nothing and is done at once when nothing is missing. Where
# it may not install, it prints the exact command to run and exits with 1.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

purpose="${1:-start}"

# package            | needed by         | kind | a file or command that shows it is there
# "must": without it the purpose fails. "redis": only the redis part of the main job needs it, to
# build packages; without it the main job shows the same on a small server of its own. "tests": some
# tests need it, and skip themselves without it, which CI counts as failed. What a package needs for
# its build is never installed here: it goes into a root of its own.
packages() {
  cat <<'TABLE'
gcc                  | start test bench  | must  | gcc
libc6-dev            | start test bench  | must  | /usr/include/stdio.h
binutils             | start test bench  | must  | objdump
make                 | start test bench  | must  | make
patch                | start test        | must  | patch
gdb                  | test              | must  | gdb
procps               | start test bench  | must  | ps
xz-utils             | start test        | must  | xz
dpkg-dev             | start test        | redis | dpkg-source
mmdebstrap           | start test        | redis | mmdebstrap
chromium             | test              | tests | chromium
postgresql           | test bench        | tests | /usr/lib/postgresql
systemd              | test              | tests | /lib/systemd/systemd
TABLE
}

say() { printf 'setup: %s\n' "$*" >&2; }

# needed KIND: the packages of that kind that the purpose needs, one a line with its witness.
needed() {
  packages | while IFS='|' read -r name purposes kind witness; do
    read -r kind <<<"$kind"
    if [[ " $purposes " == *" $purpose "* && "$kind" == "$1" ]]; then
      read -r name <<<"$name"
      read -r witness <<<"$witness"
      printf '%s %s\n' "$name" "$witness"
    fi
  done
}

# missing KIND: the names of those that are not there, on one line.
missing() {
  local names=() witnesses=() name witness
  while read -r name witness; do
    names+=("$name")
    witnesses+=("$witness")
  done < <(needed "$1")
  [[ ${#names[@]} -gt 0 ]] || return 0
  local installed="" absent=() i
  if command -v dpkg-query >/dev/null; then
    # dpkg-query exits with 1 when it does not know one of the names; its list is what counts.
    installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "${names[@]}" 2>/dev/null || true)"
  fi
  for i in "${!names[@]}"; do
    [[ "$installed" == *" installed:${names[$i]} "* ]] && continue
    # Another distribution, or the same thing under another package's name.
    if [[ "${witnesses[$i]}" == /* ]]; then
      [[ -e "${witnesses[$i]}" ]] && continue
    else
      command -v "${witnesses[$i]}" >/dev/null && continue
    fi
    absent+=("${names[$i]}")
  done
  printf '%s' "${absent[*]-}"
}

# quietly COMMAND...: shows what the command said only where it fails.
quietly() {
  local log code=0
  log="$(mktemp)"
  "$@" >"$log" 2>&1 </dev/null || code=$?
  [[ $code == 0 ]] || head -n 20 "$log" >&2
  rm -f "$log"
  return $code
}

prepare_npm() {
  local lock=node_modules/.package-lock.json
  if [[ -e $lock && ! package-lock.json -nt $lock ]]; then
    return
  fi
  say "npm ci: the packages of package-lock.json, Node 24 among them"
  if ! quietly npm ci --no-audit --no-fund --loglevel=error; then
    say "npm ci failed; what it says stands above. To try it again:  cd '$PWD' && npm ci"
    exit 1
  fi
  touch "$lock"
}

prepare_debian() {
  local must wanted
  must="$(missing must)"
  wanted="$(echo $must $(missing redis) $(missing tests))"
  [[ -n "$wanted" ]] || return 0

  local command="apt-get update && apt-get install --yes --no-install-recommends $wanted"
  if ! command -v apt-get >/dev/null; then
    give_up_on "$must" "this system has no apt; install what Debian calls: $wanted"
    return 0
  fi
  if [[ "$(id -u)" != 0 ]]; then
    give_up_on "$must" "not root; run:  sudo sh -c '$command'"
    return 0
  fi
  say "apt-get install $wanted"
  export DEBIAN_FRONTEND=noninteractive
  if ! install_debian; then
    give_up_on "$must" "apt could not install them; run:  $command"
  fi
}

# The lists are fetched first: a machine's old lists name files that the archive no longer has.
install_debian() {
  # shellcheck disable=SC2086 # a list of names
  quietly apt-get update -qq && quietly apt-get install -qq --yes --no-install-recommends $wanted
}

# Ends with 1 where the purpose cannot do without what is missing.
give_up_on() {
  say "$2"
  if [[ -n "$1" ]]; then
    say "missing and needed for 'npm run $purpose': $1"
    exit 1
  fi
  say "going on without them: the redis part of the main job and some tests need them"
}

# The console in a browser is built files; everything else runs as it is. Tests build it themselves.
prepare_console() {
  local built=packages/console/dist/index.html
  [[ "$purpose" == start ]] || return 0
  if [[ -e "$built" && -z "$(newer_than "$built" packages/console packages/contract/src)" ]]; then
    return
  fi
  say "npm run build:console: the pages that the server shows"
  if ! quietly npm run build:console; then
    say "it failed; what it says stands above. To try it again:  cd '$PWD' && npm run build:console"
    exit 1
  fi
}

# newer_than FILE FOLDER...: the first source in the folders that is newer than the file.
newer_than() {
  find "${@:2}" '(' -name node_modules -o -name dist ')' -prune -o -type f -newer "$1" -print -quit
}

prepare_npm
prepare_debian
prepare_console
