#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# tools/objects: calls upwards, calls out of no room, circles, and what is never called are found.
set -uo pipefail
objects=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
status=0

mkdir low high build
echo 'int up(void); int low(void); int low(void) { return up(); }' >low/a.c
echo 'int low(void); int up(void); int up(void) { return 0; } int main(void) { return low(); }' >high/b.c
for f in low/a high/b; do
	cc -c "$f.c" -o "build/${f//\//_}.o" || exit 1
done
cat >build/compile_commands.json <<-END
[{"directory": "$work/build", "file": "../low/a.c", "output": "low_a.o"},
 {"directory": "$work/build", "file": "../high/b.c", "output": "high_b.o"}]
END

expect() { # status, part of what is said, lines of the table...
	local want=$1 part=$2 out code=0
	shift 2
	printf '%s\n' "$@" >table
	out=$("$objects" build table 2>&1) || code=$?
	if [ "$code" != "$want" ] || [[ $out != *"$part"* ]]; then
		echo "FAILED: status $code instead of $want, or no \"$part\" in: $out"
		status=1
	fi
}

expect 0 "" "room low: low/:" "room high: high/: low" "up low/a.c up for now"
expect 1 "low/a.c: up() is of high, which low may not use" "room low: low/:" "room high: high/: low"
expect 1 "high/b.c: low() is of low, which high may not use" "room low: low/:" "room high: high/:" "up low/a.c up for now"
expect 1 "low uses high, which does not stand below it" "room low: low/: high" "room high: high/: low"
expect 1 "low/a.c: stands in no room" "room high: high/:"
expect 1 "low/a.c does not use down upwards any more" "room low: low/:" "room high: high/: low" "up low/a.c up for now" "up low/a.c down for now"
expect 1 "low/a.c: low is global, and no other" "room low: low/:" "room high: high/:" "apart high"
expect 1 'what is "rom low: low/:"?' "rom low: low/:"
echo 'int low(void); int low(void) { return 0; } int main(void) { return low(); }' >high/b.c
cc -c high/b.c -o build/high_b.o
expect 1 "low is defined by high/b.c and low/a.c" "room all: low/ high/:"

# A member of a structure that only one room looks into.
echo 'struct s { struct { int i; } part; }; int low(struct s *); int low(struct s *s) { return s->part.i; }' >low/a.c
echo 'struct s { struct { int i; } part; }; int low(struct s *); int main(void) { struct s s = {{0}}; return (&s)->part.i + low(&s); }' >high/b.c
for f in low/a high/b; do
	cc -c "$f.c" -o "build/${f//\//_}.o" || exit 1
done
expect 1 "high/b.c: looks into ->part., which is of low alone" "room low: low/:" "room high: high/: low" "own ->part. low"
expect 0 "" "room low: low/:" "room high: high/: low" "own ->part. low high"
expect 1 "looks into ->part., which is of nobody alone" "room low: low/:" "room high: high/: low" "own ->part. nobody"
expect 0 "" "room low: low/:" "room high: high/: low" "own ->other. nobody"
expect 1 "nothing looks into ->other. any more" "room low: low/:" "room high: high/: low" "own ->other. low"

# A header of a room that reaches another one, by itself or by a header of its own; what a room has for tests.
git init -q .
echo 'struct s { int i; };' >low/s-t.h
printf '#include "low/s-t.h"\n' >low/s.h
printf '#include "low/s-t.h"\nint low(struct s *); int low(struct s *s) { return s->i; }\n' >low/a.c
printf '#include "low/s.h"\nint low(struct s *); int main(void) { return low((struct s *)0); }\n' >high/b.c
for f in low/a high/b; do
	cc -I. -c "$f.c" -o "build/${f//\//_}.o" || exit 1
done
git add .
rooms=("room low: low/:" "room high: high/: low")
expect 0 "" "${rooms[@]}" "private low/s-t.h low high"
expect 1 "high/b.c: low/s-t.h belongs to low alone, and comes by low/s.h" "${rooms[@]}" "private low/s-t.h low"
expect 1 "high/b.c: low/s.h belongs to low alone" "${rooms[@]}" "private low/s.h low"
expect 1 "there is no low/gone.h" "${rooms[@]}" "private low/gone.h low"
expect 1 "high/b.c: low/s.h is for tests alone" "${rooms[@]}" "face low/s*.h"
expect 1 "low/s-t.h: what tests get are functions" "${rooms[@]}" "face low/s*.h"
expect 1 "high/b.c: low() is for tests alone" "${rooms[@]}" "face low/a.c"
expect 0 "" "room low: low/:" "room high: high/: low" "apart high" "face low/a.c"

# Files of a room that call each other in a circle: four may, five may not.
ring() { # files
	local i next json=
	mkdir -p ring
	for ((i = 1; i <= $1; i++)); do
		next=$((i % $1 + 1))
		echo "int f$i(void); int f$next(void); int f$i(void) { return f$next(); }" >"ring/f$i.c"
		cc -c "ring/f$i.c" -o "build/f$i.o" || exit 1
		json+="{\"directory\": \"$work/build\", \"file\": \"../ring/f$i.c\", \"output\": \"f$i.o\"},"
	done
	echo "[${json%,}]" >build/compile_commands.json
}

room="room ring: ring/:"
ring 4
expect 0 "" "$room"
expect 1 "ring has no circle of more than 4 files any more" "$room" "circle ring 5 for now"
ring 5
expect 1 "ring: a circle of 5 files: f1.c f2.c f3.c f4.c f5.c" "$room"
expect 0 "" "$room" "circle ring 5 for now"
expect 1 "the longest circle of ring has 5 files, not 6" "$room" "circle ring 6 for now"
expect 1 'what is "circle ring 5"?' "$room" "circle ring 5"
ring 6
expect 1 "ring: a circle of 6 files" "$room" "circle ring 5 for now"
expect 0 "" "$room" "apart ring"
rm build/f1.o
expect 1 "build/f1.o and 0 others are not built" "$room"
exit $status
