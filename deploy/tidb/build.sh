#!/usr/bin/env bash
# Builds tidb-server into a directory, from the Go module proxy alone: deploy/tidb/build.sh DIR
# The module's replace directives keep "go install" from working, so the nested parser module is put back in its place.
set -euo pipefail
dir=${1:?a directory}
version=20251126154744-e4e814fdc0af
mkdir -p "$dir/fetch"
cd "$dir/fetch"
[ -e go.mod ] || go mod init x
go mod download "github.com/pingcap/tidb@v1.1.0-beta.0.$version" "github.com/pingcap/tidb/pkg/parser@v0.0.0-$version"
cache=$(go env GOMODCACHE)/github.com/pingcap
cd "$dir"
rm -rf src
cp -r "$cache/tidb@v1.1.0-beta.0.$version" src
chmod -R u+w src
rm -rf src/pkg/parser
cp -r "$cache/tidb/pkg/parser@v0.0.0-$version" src/pkg/parser
chmod -R u+w src
cd src
GOFLAGS=-buildvcs=false GOTOOLCHAIN=local nice -n 19 go build -p 2 -o ../tidb-server ./cmd/tidb-server
