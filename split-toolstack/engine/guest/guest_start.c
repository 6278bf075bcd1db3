/* SPDX-License-Identifier: BSD-3-Clause */
/* Before a guest's first instruction: opens its channels, connects its devices and fills its
 * device page. */
#include "split-toolstack/engine/guest/guest_start.h"

#include <string.h>

#include "base/random.h"
#include "noxs/page.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/fork.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/services/slots.h"
#include "split-toolstack/engine/vm/parts.h"

/* Fills the device page of a domain; `blank`: only as far as a guest at its gate needs it. */
static int show_page(struct engine *en, const struct guest_page *g, struct noxs_device *dev,
		     uint32_t ndev, bool blank, struct err *e)
{
	const struct dom *d = g->dom;
	struct noxs_facts f = {
		.pv = d->type == DOM_PV,
		.resumed = g->generation != 0,
		.gate = g->gate,
		.generation = g->generation,
		.domid = d->domid,
		.vcpus = g->cfg->vcpus, /* nothing turns on the others */
		.mem_pages = d->pages,
		.shared_info_gfn = d->shared_info_gfn,
		.control_gfn = d->control_gfn,
		.page_table_gfn = d->page_table_gfn,
		.page_table_pages = d->page_table_pages,
		.image_end_gfn = d->image_end_gfn,
		.tsc_khz = engine_xen_host(en)->cpu_khz,
		.control_port = g->guest_port,
		.entry = d->entry,
		.control_remote = g->guest_port ? 0 : g->port,
		.cmdline = g->cfg->cmdline ? g->cfg->cmdline : "",
		.dev = dev,
		.ndev = ndev,
		.grant_gfn = d->grant_gfn,
		.grant_frames = d->grant_frames,
		.fork = g->fork,
	};
	struct noxs_page page;
	int rc;

	memcpy(f.uuid, g->uuid, sizeof(f.uuid));
	rc = noxs_page_fill(&page, &f, e);
	if (rc < 0)
		return rc;
	if (blank)
		noxs_page_blank(&page);
	noxs_page_show(g->map, &page);
	return 0;
}

static int show_vm_page(struct vm *vm, uint64_t generation, struct err *e)
{
	struct noxs_fork fork = {0};
	const struct guest_page g = {.dom = vm_dom(vm),
				     .cfg = vm_cfg(vm),
				     .uuid = vm_uuid_bytes(vm),
				     .map = vm_map(vm),
				     .guest_port = vm_guest_port(vm),
				     .port = vm_slot_port(vm),
				     .generation = generation,
				     .gate = vm_at_gate(vm),
				     .fork = vm_cfg(vm)->child.number ? &fork : NULL};
	struct noxs_device dev[NOXS_MAX_DEVICES];
	int rc = g.fork ? fork_connect(vm, &fork, e) : 0;

	if (rc < 0)
		return rc;
	return show_page(vm_engine(vm), &g, dev, devices_page(vm_devices(vm), dev), false, e);
}

int guest_new_generation(uint64_t *out, struct err *e)
{
	int rc = random_bytes(out, sizeof(*out), "generation", e);

	*out |= 1ull << 63; /* never that of a first life */
	return rc;
}

int guest_page_ahead(struct engine *en, struct guest_page *g, struct err *e)
{
	int rc = guest_new_generation(&g->generation, e);

	return rc < 0 ? rc : show_page(en, g, NULL, 0, false, e);
}

int guest_page_gate(struct engine *en, struct guest_page *g, struct err *e)
{
	g->gate = true;
	return show_page(en, g, NULL, 0, true, e);
}

int guest_start_copy(struct vm *vm, struct err *e)
{
	noxs_page_take(vm_map(vm), vm_uuid_bytes(vm));
	return control_resume(vm, e);
}

int guest_start(struct vm *vm, uint64_t generation, struct err *e)
{
	int rc = generation ? control_resume(vm, e) : control_open(vm, e);

	if (rc == 0 && !vm_has_noxs(vm) && vm_store_port(vm))
		rc = guest_store_open(vm, false, e);
	if (rc == 0 && vm_cfg(vm)->ndevice)
		rc = devices_start(vm, e);
	if (rc == 0 && vm_has_noxs(vm))
		rc = show_vm_page(vm, generation, e);
	if (rc == 0 && generation == 0 && vm_guest(vm)->log.end) /* else it has no log yet */
		console_log_new_ring(vm, 0);
	return rc;
}
