/* SPDX-License-Identifier: BSD-3-Clause */
/* The differences between kinds of devices in what clients write and read of them. */
#ifndef CHAOS_VMCFG_DEVICES_H
#define CHAOS_VMCFG_DEVICES_H

#include "split-toolstack/engine/devices/devices.h"
#include "split-toolstack/protocol/wire.h"
#include "split-toolstack/vmcfg/vmcfg.h"

/* The row of a kind, `vmcfg_NAME_ops`, is in a file of its own. */
struct vmcfg_device_ops {
	/* Parses an item of its list in a VM's file, as vmcfg_device(). */
	int (*parse)(const char *spec, const char *cwd, struct vmcfg_list *warning,
		     struct device_config *out, struct err *e);
	/* Writes the fields of an answer that only this kind has. */
	void (*fields)(struct wire_out *w, const struct device_info *d);
};

void vmcfg_device_fields(struct wire_out *w, const struct device_info *d);

#endif
