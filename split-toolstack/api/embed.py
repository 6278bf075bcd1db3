#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
# Turns a file into a C array: embed.py FILE NAME > OUT.c
import json
import sys

text = json.dumps(json.load(open(sys.argv[1])), separators=(",", ":"))
lines = [json.dumps(text[i:i + 72]) for i in range(0, len(text), 72)]
print("#include <stddef.h>\n")
print(f"extern const char {sys.argv[2]}_json[];\nextern const size_t {sys.argv[2]}_len;\n")
print(f"const char {sys.argv[2]}_json[] =")
print("\n".join("\t" + line for line in lines) + ";")
print(f"const size_t {sys.argv[2]}_len = sizeof({sys.argv[2]}_json) - 1;")
