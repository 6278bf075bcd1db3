/* SPDX-License-Identifier: BSD-3-Clause */
/* Builds a domain for a VM whose image is known: on the worker if it may take long, otherwise on
 * the loop. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/memory.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/life-t.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/restore.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/changes.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/state.h"
#include "split-toolstack/engine/vm/vm.h"
#include "split-toolstack/engine/vm/vms.h"

struct build_job {
	struct worker_job job;
	struct vm *vm;
	bool claimed;		 /* from a shell: only the image is missing */
	struct memory_wait wait; /* until when the build may wait for memory */
	int rc;
	struct err err;
};

/* --- thread-safe: touches only this vm --- */

/* The description of the domain for libdom. */
struct order {
	struct dom_spec spec;
	struct dom_module ramdisk;
	struct dom_load load;
};

/* Guests without noxs expect that their event channels exist. */
static int make_ports(void *arg, struct xen *x, uint32_t domid, struct dom_load *load,
		      struct err *e)
{
	struct vm *vm = arg;
	uint64_t since = clock_ns();
	int rc = guest_store_ports(x, domid, image_info(vm_life(vm)->img)->noxs,
				   &load->console_port, &load->store_port, e);

	vm_given_ports(vm, load->console_port, load->store_port);
	vm_life(vm)->t.devices_ns += (uint32_t)(clock_ns() - since);
	return rc;
}

static void order(struct vm *vm, struct order *o)
{
	const struct vm_config *c = vm_cfg(vm);
	bool direct = image_info(vm_life(vm)->img)->direct;

	o->spec = (struct dom_spec){.type = c->type,
				    .domid = vm_slot_domid(vm),
				    .mem_kib = c->mem_kib,
				    .maxmem_kib = c->maxmem_kib,
				    .vcpus = vm_config_vcpus(c),
				    .limits = c->limits,
				    .weight = c->weight,
				    .cap = c->cap,
				    .ring_pages = direct && c->ndevice ? devices_rings(c) : 0,
				    .cpus = c->cpus};
	memcpy(o->spec.uuid, vm_uuid_bytes(vm), sizeof(o->spec.uuid));
	o->ramdisk = (struct dom_module){c->ramdisk_fd, c->ramdisk ? c->ramdisk : "ramdisk"};
	o->load = (struct dom_load){.cmdline = c->cmdline ? c->cmdline : "",
				    .module = &o->ramdisk,
				    .nmodule = c->ramdisk_fd >= 0,
				    .console_port = vm_guest_port(vm),
				    .store_port = vm_store_port(vm),
				    .ports = direct ? NULL : make_ports,
				    .arg = vm};
}

/* --- on the loop --- */

static void job_work(struct worker_job *job, struct xen *x)
{
	struct build_job *b = (struct build_job *)job;

	struct vm *vm = b->vm;
	struct order o;

	order(vm, &o);
	b->rc = b->claimed ? dom_load(x, vm_change_dom(vm), vm_life(vm)->img, &o.load, &b->err)
			   : dom_build(x, &o.spec, vm_life(vm)->img, &o.load, vm_change_dom(vm),
				       &b->err);
}

/* The VM was destroyed meanwhile: it is in the history, or in no list. */
int life_abandoned(struct vm *vm, const struct life_news *n)
{
	(void)n;
	vm_life(vm)->restore = NULL; /* it is freed with the build */
	vm_unbuild(vm);
	life_go(vm, NOW_ENDED);
	if (!vm_is_listed(vm))
		vm_free(vm);
	return 0;
}

static void built(struct vm *vm, int rc, struct err *e)
{
	const struct life_news n = {.rc = rc, .e = e};

	(void)life_event(vm, LIFE_BUILT, &n);
}

static void job_done(struct worker_job *job)
{
	struct build_job *b = (struct build_job *)job;
	struct engine *en = vm_engine(b->vm);
	bool ended = life_is_over(b->vm);

	if (!ended && !b->claimed && b->rc == -EEXIST && life_other_slot(b->vm, &b->err)) {
		worker_push(engine_worker(en), WORKER_BUILDS, job);
		return;
	}
	if (!ended && b->rc == -ENOMEM && memory_wait_helps(&b->wait)) {
		memory_wait(en, &b->wait);
		return;
	}
	memory_build_ends(en);
	idle_later(engine_idle(en));
	if (!ended)
		mapping_close_later(en, vm_mapping(b->vm), vm_change_dom(b->vm));
	built(b->vm, b->rc, &b->err);
	free(b);
}

/* Whether the image is small and loaded without libxenguest. */
static bool is_small(const struct image *img)
{
	const struct image_info *i = image_info(img);

	return i->builder == IMAGE_OWN && i->end - i->start <= INLINE_IMAGE_BYTES;
}

/* Loads the image into a claimed shell. Linux and large images are loaded by the worker. */
static int complete_shell(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	struct order o;
	int rc;

	order(vm, &o);
	rc = dom_schedule(engine_xen(en), vm_change_dom(vm), &o.spec, e);
	vm_forget_phases(vm);
	if (rc == 0 && life->t.way == VM_SHELL && is_small(life->img))
		rc = dom_load(engine_xen(en), vm_change_dom(vm), life->img, &o.load, e);
	if (rc == 0 &&
	    dom_lacks_cmdline(vm_dom(vm))) /* Linux has no device page that contains it */
		rc = dom_set_cmdline(engine_xen(en), vm_change_dom(vm), o.load.cmdline, e);
	return rc;
}

/* The image is in memory; the kernel's file is closed. */
static void close_kernel(struct vm *vm)
{
	struct vm_config *c = vm_change_cfg(vm);

	file_close(engine_opener(vm_engine(vm)), FILE_READ, c->kernel_fd);
	c->kernel_fd = -1;
	if (c->ndevice == 0) /* otherwise its disks are among the files */
		files_drop(vm_files(vm));
}

/* Takes a domain id. The intent is recorded before the domain exists, so that the next daemon finds
 * the uuid whatever happens. */
static int begin(struct vm *vm, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	uint64_t since;
	int rc;

	close_kernel(vm);
	life->create.slot_tries = 0;
	rc = slot_take(engine_slots(en), image_info(life->img)->direct, vm_slot(vm), e);
	idle_later(engine_idle(en));
	since = clock_ns();
	if (rc == 0)
		rc = vm_record(vm, e);
	life->t.record_ns = (uint32_t)(clock_ns() - since);
	return rc;
}

/* Builds on the loop. If memory is missing (`lacks`), shells are destroyed before the create fails.
 */
static int build_here(struct vm *vm, bool *lacks, struct err *e)
{
	struct engine *en = vm_engine(vm);
	struct life *life = vm_life(vm);
	struct xen *x = engine_xen(en);
	struct order o;
	int rc;

	order(vm, &o);
	rc = begin(vm, e);
	if (rc < 0)
		return rc;
	do {
		o.spec.domid = vm_slot_domid(vm);
		rc = dom_build(x, &o.spec, life->img, &o.load, vm_change_dom(vm), e);
	} while (rc == -EEXIST && life_other_slot(vm, e));
	if (rc == -ENOMEM && pool_drop(en)) {
		*e = (struct err){0};
		rc = dom_build(x, &o.spec, life->img, &o.load, vm_change_dom(vm), e);
	}
	*lacks = rc == -ENOMEM;
	return rc;
}

/* Reading a ramdisk can block. */
static bool is_short(const struct vm *vm)
{
	return vm_cfg(vm)->mem_kib <= INLINE_MEM_KIB && vm_cfg(vm)->ramdisk_fd < 0 &&
	       is_small(vm_known_life(vm)->img);
}

/* The destroys under way have freed their memory; the build does not wait again. */
static void build_with_memory(struct memory_wait *m)
{
	struct build_job *b =
		(struct build_job *)(void *)((char *)m - offsetof(struct build_job, wait));

	b->rc = 0;
	b->err = (struct err){0};
	if (life_is_over(b->vm))
		job_done(&b->job);
	else
		worker_push(engine_worker(vm_engine(b->vm)), WORKER_BUILDS, &b->job);
}

/* If destroys under way will free the memory that is missing, the build begins after them;
 * `lacked`: a try has failed before. */
static void build_on_worker(struct vm *vm, bool claimed, bool lacked)
{
	struct engine *en = vm_engine(vm);
	struct build_job *b = calloc(1, sizeof(*b));
	struct err err = {0};

	if (!b) {
		int rc = err_set(&err, ENOMEM, "out of memory");

		built(vm, rc, &err);
		return;
	}
	*b = (struct build_job){
		.job = {.work = job_work, .done = job_done}, .vm = vm, .claimed = claimed};
	memory_build_begins(en);
	if (!claimed) {
		memory_wait_init(en, &b->wait, build_with_memory);
		if (lacked || memory_is_coming(en, vm_cfg(vm)->mem_kib)) {
			memory_wait(en, &b->wait);
			return;
		}
	}
	worker_push(engine_worker(en), WORKER_BUILDS, &b->job);
}

static void build_claimed(struct vm *vm, struct err *e)
{
	struct life *life = vm_life(vm);
	int rc;

	close_kernel(vm);
	rc = complete_shell(vm, e);
	if (rc == 0 && (!vm_map(vm) || (life->t.way == VM_SHELL && !is_small(life->img))))
		build_on_worker(vm, true, false);
	else
		built(vm, rc, e);
}

static void build_cold(struct vm *vm, struct err *e)
{
	bool here = is_short(vm);
	bool lacks = false;
	int rc;

	vm_change_cfg(vm)->spare_rings = 0;
	vm_given_ports(vm, 0, 0);
	rc = here ? build_here(vm, &lacks, e) : begin(vm, e);
	if (rc == 0 && !here)
		build_on_worker(vm, false, false);
	else if (lacks && memory_promised(vm_engine(vm))) /* destroys under way will free memory */
		build_on_worker(vm, false, true);
	else
		built(vm, rc, e);
}

int life_build(struct vm *vm, const struct life_news *n)
{
	struct life *life = vm_life(vm);
	bool fresh = life_now(vm) == NOW_NEW;
	bool claimed;

	life_go(vm, NOW_BUILDING);
	if (life->restore) {
		restore_build(vm, n->rc, n->e);
		return 0;
	}
	if (life->copy_of) {
		copy_build(vm, n->e);
		return 0;
	}
	claimed = n->rc == 0 && vm_claim_shell(vm); /* may change its uuid */
	if (fresh)
		vm_announce(vm, VM_EV_CREATED);
	if (n->rc < 0) {
		idle_later(engine_idle(vm_engine(vm)));
		built(vm, n->rc, n->e);
	} else if (claimed) {
		build_claimed(vm, n->e);
	} else {
		build_cold(vm, n->e);
	}
	return 0;
}
