/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an xl.cfg file: taken, or refused in one line. */
#include "split-toolstack/vmcfg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vmcfg v = {.text = malloc(size + 1), .text_len = size};
	struct vm_config c;
	struct err e = {0};

	if (!v.text)
		return 0;
	memcpy(v.text, data, size);
	v.text[size] = '\0';
	if (vmcfg_parse(&v, &c, &e) < 0 && (e.msg[0] == '\0' || strchr(e.msg, '\n')))
		__builtin_trap();
	vm_config_clear(&c);
	vmcfg_clear(&v);
	return 0;
}
