/* SPDX-License-Identifier: BSD-3-Clause */
/* Finds the VMs of domains that a scan of Xen reports as ended. */
#include <string.h>

#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/deaths.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vms.h"

static void on_seen(void *arg, uint32_t scan, const struct xen_domain_info *info)
{
	struct engine *en = arg;
	struct vm *vm = NULL;

	vm = vm_by_domid(en, info->domid);
	if (!vm && (info->shutdown || info->dying))
		pool_has_ended(en, info);
	if (!vm || memcmp(vm_uuid_bytes(vm), info->uuid, 16) != 0)
		return;
	vm_life(vm)->seen = scan;
	if (info->shutdown || info->dying)
		vm_has_ended(vm, info);
}

static void on_over(void *arg, uint32_t scan, uint64_t start)
{
	struct engine *en = arg;

	for (struct vm *vm = vms_alive(en), *next; vm; vm = next) {
		next = vm_next(vm);
		if (vm_domid(vm) && vm_life(vm)->seen != scan && vm_started_ns(vm) &&
		    vm_life(vm)->unpaused < start) /* it was destroyed by another toolstack */
			vm_has_ended(vm, NULL);
	}
}

static bool any_lives(void *arg)
{
	return vms_alive(arg) != NULL;
}

int scan_open(struct engine *en, struct deaths **out, struct err *e)
{
	static const struct deaths_ops ops = {on_seen, on_over, any_lives};
	int rc = deaths_open(engine_loop(en), engine_xen(en), engine_ports(en),
			     engine_settings(en)->store, &ops, en, out, e);

	if (rc == 0)
		engine_set_store(en, deaths_mode(*out));
	return rc;
}
