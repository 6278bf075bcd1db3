/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an item of vif and of disk: taken, or refused in one line. */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void told_in_one_line(const struct err *e)
{
	if (e->msg[0] == '\0' || strchr(e->msg, '\n'))
		__builtin_trap();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *spec = strndup((const char *)data, size);

	for (uint32_t kind = 0; spec && kind < DEVICE_KINDS; kind++) {
		struct vmcfg v = {0};
		struct device_config d;
		struct err e = {0};
		int rc = vmcfg_device(kind, spec, "/nonexistent", &v.warning, &d, &e);

		if (rc < 0)
			told_in_one_line(&e);
		/* What the keys say together is checked with the whole VM. */
		else if (device_config_check(&d, NULL, 0, &e) < 0)
			told_in_one_line(&e);
		device_config_clear(&d);
		vmcfg_clear(&v);
	}
	free(spec);
	return 0;
}
