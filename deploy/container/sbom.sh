#!/usr/bin/env bash
# The bill of materials, CycloneDX 1.5, on standard output: every crate that is linked into the binary for a target, by cargo's own resolution, and, where a
# console is built (web/console/dist/index.html) and so taken in, the npm packages of it, by web/package-lock.json; each with its licence and the checksum that its
# lockfile holds it to. What it does not list: C sources that crates bring with them (ring, mimalloc), Rust's standard library, which is that of the
# toolchain that is named as a tool, and glibc, which is that of the machine that links. Needs node for the console's part.
#
# usage: sbom.sh [TARGET]
set -euo pipefail
root=$(cd -P "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${1:-x86_64-unknown-linux-gnu}
cd "$root"
toolchain=$(rustc --version | cut -d' ' -f2)
packages=
[ ! -f web/console/dist/index.html ] || packages=$(node deploy/container/console-packages.mjs web/package-lock.json)
cargo tree --locked --package foretop --edges normal,no-proc-macro --target "$target" --prefix none --format '{p}|{l}' |
  sed 's/ (\*)$//' | sort -u |
  PACKAGES=$packages awk -v toolchain="$toolchain" -v target="$target" -F'|' '
    BEGIN {
      while ((getline line < "Cargo.lock") > 0) {
        if (split(line, part, "\"") < 2) continue
        if (line ~ /^name = /) name = part[2]
        if (line ~ /^version = /) version = part[2]
        if (line ~ /^checksum = /) checksum[name " v" version] = part[2]
      }
    }
    function escaped(text) { gsub(/\\/, "\\\\", text); gsub(/"/, "\\\"", text); return text }
    {
      split($1, word, " ")
      licence = $2
      gsub(/ *\/ */, " OR ", licence)
      key = word[1] " " word[2]
      number = substr(word[2], 2)
      if (word[1] == "foretop") { own = number; next }
      if (!(key in checksum)) { print "sbom.sh: Cargo.lock has no checksum of " key > "/dev/stderr"; exit 1 }
      items[++count] = sprintf("{\"type\":\"library\",\"name\":\"%s\",\"version\":\"%s\",\"purl\":\"pkg:cargo/%s@%s\",\"hashes\":[{\"alg\":\"SHA-256\",\"content\":\"%s\"}]%s}",
        word[1], number, word[1], number, checksum[key], licence == "" ? "" : ",\"licenses\":[{\"expression\":\"" escaped(licence) "\"}]")
    }
    END {
      packages = split(ENVIRON["PACKAGES"], package, "\n")
      for (i = 1; i <= packages; i++) items[++count] = package[i]
      printf "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.5\",\"version\":1,\n"
      printf " \"metadata\":{\"tools\":{\"components\":[{\"type\":\"application\",\"name\":\"rustc\",\"version\":\"%s\"}]},", toolchain
      printf "\"properties\":[{\"name\":\"target\",\"value\":\"%s\"}],", target
      printf "\"component\":{\"type\":\"application\",\"name\":\"foretop\",\"version\":\"%s\",\"licenses\":[{\"expression\":\"Apache-2.0\"}]}},\n", own
      printf " \"components\":[\n"
      for (i = 1; i <= count; i++) printf "  %s%s\n", items[i], i < count ? "," : ""
      printf " ]}\n"
    }'
