/* SPDX-License-Identifier: BSD-3-Clause */
/* Before a guest's first instruction: its channels, its devices and its device page. */
#include "split-toolstack/engine/guest/guest_start.h"

#include <string.h>

#include "noxs/page.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/vm/vm-t.h"

static int show_page(struct vm *vm, uint64_t generation, struct err *e)
{
	const struct dom *d = &vm->dom;
	struct noxs_facts f = {
		.pv = d->type == DOM_PV,
		.resumed = generation != 0,
		.generation = generation,
		.domid = d->domid,
		.vcpus = vm->cfg.vcpus, /* nothing turns on the others */
		.mem_pages = d->pages,
		.shared_info_gfn = d->shared_info_gfn,
		.control_gfn = d->control_gfn,
		.page_table_gfn = d->page_table_gfn,
		.page_table_pages = d->page_table_pages,
		.image_end_gfn = d->image_end_gfn,
		.tsc_khz = vm->en->host.cpu_khz,
		.control_port = vm->guest_port,
		.entry = d->entry,
		.control_remote = vm->guest_port ? 0 : vm->slot.port,
		.cmdline = vm->cfg.cmdline ? vm->cfg.cmdline : "",
	};
	struct noxs_device dev[NOXS_MAX_DEVICES];
	struct noxs_page page;
	int rc;

	f.dev = dev;
	f.ndev = vm->devices.first ? devices_page(&vm->devices, dev) : 0;
	f.grant_gfn = d->grant_gfn;
	f.grant_frames = d->grant_frames;
	memcpy(f.uuid, vm->uuid, sizeof(f.uuid));
	rc = noxs_page_fill(&page, &f, e);
	if (rc == 0)
		noxs_page_show(vm->map, &page);
	return rc;
}

int guest_start(struct vm *vm, uint64_t generation, struct err *e)
{
	int rc = generation ? control_resume(vm, e) : control_open(vm, e);

	if (rc == 0 && !vm->noxs && vm->store_port)
		rc = vm_view_open(vm, false, e);
	if (rc == 0 && vm->cfg.ndevice)
		rc = devices_start(vm, e);
	if (rc == 0 && vm->noxs)
		rc = show_page(vm, generation, e);
	if (rc == 0 && generation == 0 && vm->guest.log.end) /* else it has no log yet */
		console_log_new_ring(vm, 0);
	return rc;
}
