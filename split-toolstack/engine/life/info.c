/* SPDX-License-Identifier: BSD-3-Clause */
/* A VM for clients, with its console and what Xen reports of its domain. */
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/info.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vm.h"

void vm_known_info(const struct vm *vm, struct vm_info *out)
{
	vm_tell(vm, out);
	out->console_bytes = console_log_end(vm);
}

void vm_get_info(struct vm *vm, struct vm_info *out)
{
	struct xen_domain_info info;

	if (vm_domid(vm) && xen_domain_info(engine_xen(vm_engine(vm)), vm_domid(vm), &info) == 0)
		vm_see(vm, &info);
	vm_known_info(vm, out);
}
