#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tools/walk --text: the walks of ARCHITECTURE.md are true, and what is not is found.
set -uo pipefail
walk=$1 text=$2
wrong=$(mktemp)
trap 'rm -f "$wrong"' EXIT
status=0

refuses() { # what sed makes of the text, part of what is said
	local out code=0
	sed "$1" "$text" >"$wrong"
	out=$("$walk" --text "$wrong") || code=$?
	if [ "$code" != 1 ] || [[ $out != *"$2"* ]]; then
		echo "FAILED: $1: status $code, or no \"$2\" in: $out"
		status=1
	fi
}

"$walk" --text "$text" || status=1
refuses 's/`vm_destroy()`/`vm_end_it()`/' "A destroy: vm_end_it() is not in"
refuses 's/`vm_attach()` (`attach.c`)/`vm_attach()` (`set.c`)/' "An attach: set.c of"
refuses 's,^| `engine/life/` | `vm_destroy(),| `engine/pool/` | `vm_destroy(),' "A destroy: vm_destroy() is not in"
refuses '/`adopt_all()`/d' "A restart of the daemon: nothing above \`engine/registry/\` calls registry_load()"
refuses 's/^### An attach/### Attaching/' "An attach: has no table"
exit $status
