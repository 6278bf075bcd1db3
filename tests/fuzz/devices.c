/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an item of vif and of disk: taken, or refused in one line. */
#include "split-toolstack/vmcfg/vmcfg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *spec = strndup((const char *)data, size);

	for (int kind = 0; spec && kind < 2; kind++) {
		struct vmcfg v = {0};
		struct device_config d;
		struct err e = {0};
		int rc = kind == 0 ? vmcfg_vif(spec, &v.warning, &d, &e)
				   : vmcfg_disk(spec, "/nonexistent", &v.warning, &d, &e);

		if (rc < 0 && (e.msg[0] == '\0' || strchr(e.msg, '\n')))
			__builtin_trap();
		/* What was understood is in order, too. */
		if (rc == 0 && device_config_check(&d, NULL, 0, &e) < 0)
			__builtin_trap();
		device_config_clear(&d);
		vmcfg_clear(&v);
	}
	free(spec);
	return 0;
}
