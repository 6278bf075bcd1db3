/* SPDX-License-Identifier: BSD-3-Clause */
/* Network and block devices of VMs: their lives from the configuration to the last detach. */
#include "split-toolstack/engine/private.h"

#include <errno.h>

void vm_for_each_device(struct vm *vm, void (*fn)(const struct device_info *d, void *arg),
			void *arg)
{
	for (uint32_t i = 0; i < vm->cfg.ndevice; i++) {
		struct device_info d = {.config = &vm->cfg.device[i], .ifname = "", .reason = ""};

		fn(&d, arg);
	}
}

void vm_attach(struct vm *vm, struct device_config *d, device_fn *fn, void *arg)
{
	struct err e = {0};
	int rc = err_set(&e, EOPNOTSUPP, "\"%s\" takes no devices at run time yet", vm->name);

	device_config_clear(d);
	fn(arg, rc, NULL, &e);
}

void vm_detach(struct vm *vm, enum device_kind kind, uint32_t devid, bool force, device_fn *fn,
	       void *arg)
{
	struct err e = {0};
	int rc = err_set(&e, EOPNOTSUPP, "\"%s\" has no %s %u to detach", vm->name,
			 kind == DEVICE_VIF ? "vif" : "vbd", devid);

	(void)force;
	fn(arg, rc, NULL, &e);
}
