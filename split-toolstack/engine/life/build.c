/* SPDX-License-Identifier: BSD-3-Clause */
/* Building a domain: files and images first, then on the worker what may take long, the rest here.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/engine-t.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/images/images.h"
#include "split-toolstack/engine/life/life.h"
#include "split-toolstack/engine/life/verbs.h"
#include "split-toolstack/engine/pool/pool.h"
#include "split-toolstack/engine/services/idle.h"
#include "split-toolstack/engine/services/worker.h"
#include "split-toolstack/engine/vm/record.h"
#include "split-toolstack/engine/vm/vm.h"

/* An id can be taken by another toolstack, or by a domain of ours that cannot die yet. */
#define SLOT_TRIES 64u

struct build_job {
	struct worker_job job;
	struct vm *vm;
	bool claimed;		 /* from a shell: lacks its image only */
	struct memory_wait wait; /* until: not done so far, and may be */
	int rc;
	struct err err;
};

/* --- thread-safe: touches only this vm --- */

static int load_image(struct vm *vm, struct xen *x, struct err *e)
{
	const struct vm_config *c = &vm->cfg;
	struct dom_module ramdisk = {c->ramdisk_fd, c->ramdisk ? c->ramdisk : "ramdisk"};
	struct dom_load load = {.cmdline = c->cmdline ? c->cmdline : "",
				.module = &ramdisk,
				.nmodule = c->ramdisk_fd >= 0,
				.console_port = vm->guest_port,
				.store_port = vm->store_port};

	return dom_load(x, &vm->dom, vm->img, &load, e);
}

static int build_domain(struct vm *vm, struct xen *x, struct err *e)
{
	struct vm_config *c = &vm->cfg;
	struct dom_spec spec = {
		.type = c->type,
		.mem_kib = c->mem_kib,
		.maxmem_kib = c->maxmem_kib,
		.vcpus = vm_config_vcpus(c),
		.limits = c->limits,
		.weight = c->weight,
		.cap = c->cap,
		.cpus = c->cpus,
	};
	uint64_t since;
	int rc;

	memcpy(spec.uuid, vm->uuid, sizeof(spec.uuid));
	spec.domid = vm->slot.domid;
	if (image_info(vm->img)->direct)
		spec.ring_pages = devices_rings(c);
	rc = dom_prepare(x, &spec, vm->img, &vm->dom, e);
	if (rc < 0)
		return rc;
	since = clock_ns();
	vm->guest_port = 0;
	vm->store_port = 0;
	if (!image_info(vm->img)->direct) /* others expect to find their end */
		rc = view_ports(x, vm->dom.domid, image_info(vm->img)->noxs, &vm->guest_port,
				&vm->store_port, e);
	vm->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0)
		rc = load_image(vm, x, e);
	if (rc < 0)
		(void)dom_destroy(x, &vm->dom, NULL);
	return rc;
}

/* --- on the loop --- */

static void job_work(struct worker_job *job, struct xen *x)
{
	struct build_job *b = (struct build_job *)job;

	b->rc = b->claimed ? load_image(b->vm, x, &b->err) : build_domain(b->vm, x, &b->err);
}

/* True when another domain had the id, and another try is worth while. */
static bool other_slot(struct vm *vm, int rc, struct err *e)
{
	if (rc != -EEXIST || ++vm->create.slot_tries > SLOT_TRIES)
		return false;
	slot_put_last(vm->en->slots, &vm->slot);
	*e = (struct err){0};
	/* The intent has the id: with the uuid it tells the next daemon what is ours. */
	return slot_take(vm->en->slots, true, &vm->slot, e) == 0 && vm_record(vm, e) == 0;
}

/* It was destroyed meanwhile: the VM is of the history, or out of all lists by now. */
int life_abandoned(struct vm *vm, const struct life_news *n)
{
	(void)n;
	vm_unbuild(vm);
	vm->life.now = NOW_ENDED;
	if (!vm->prev)
		vm_free(vm);
	return 0;
}

static void built(struct vm *vm, int rc, struct err *e)
{
	const struct life_news n = {.rc = rc, .e = e};

	(void)life_event(vm, LIFE_BUILT, &n);
}

static void placed(struct vm *vm, int rc, struct err *e)
{
	const struct life_news n = {.rc = rc, .e = e};

	(void)life_event(vm, LIFE_PLACED, &n);
}

static void job_done(struct worker_job *job)
{
	struct build_job *b = (struct build_job *)job;
	bool ended = life_is_over(&b->vm->life);

	if (!ended && !b->claimed && other_slot(b->vm, b->rc, &b->err)) {
		worker_push(b->vm->en->worker, WORKER_BUILDS, job);
		return;
	}
	if (!ended && b->rc == -ENOMEM && b->wait.until) {
		memory_wait(b->vm->en, &b->wait);
		return;
	}
	memory_build_ends(b->vm->en);
	idle_later(b->vm->en->idle);
	if (!ended)
		window_close_later(b->vm->en, &b->vm->window, &b->vm->dom);
	built(b->vm, b->rc, &b->err);
	free(b);
}

/* Quickly loaded, by our own builder. */
static bool is_small(const struct image *img)
{
	const struct image_info *i = image_info(img);

	return i->builder == IMAGE_OWN && i->end - i->start <= INLINE_IMAGE_BYTES;
}

/* What a claimed shell still lacks; Linux, and what is large, is loaded by the worker. */
static int complete_shell(struct vm *vm, struct err *e)
{
	const struct vm_config *c = &vm->cfg;
	struct dom_spec spec = {
		.vcpus = vm_config_vcpus(c), .weight = c->weight, .cap = c->cap, .cpus = c->cpus};
	int rc = dom_schedule(vm->en->x, &vm->dom, &spec, e);

	memset(vm->dom.phase_ns, 0,
	       sizeof(vm->dom.phase_ns)); /* what came before was not on our time */
	if (rc == 0 && vm->t.way == VM_SHELL && is_small(vm->img))
		rc = load_image(vm, vm->en->x, e);
	if (rc == 0 && vm->dom.cmdline_room) /* Linux has no device page to find it in */
		rc = dom_set_cmdline(vm->en->x, &vm->dom, c->cmdline ? c->cmdline : "", e);
	return rc;
}

/* Builds on the loop; shells give their memory back before a create fails for want of it. */
static int build_inline(struct vm *vm, struct err *e)
{
	int rc;

	do
		rc = build_domain(vm, vm->en->x, e);
	while (other_slot(vm, rc, e));
	if (rc != -ENOMEM || !pool_drop(vm->en))
		return rc;
	*e = (struct err){0};
	return build_domain(vm, vm->en->x, e);
}

/* A ramdisk is a file, which may not answer. */
static bool is_short(const struct vm *vm)
{
	return vm->cfg.mem_kib <= INLINE_MEM_KIB && vm->cfg.ramdisk_fd < 0 && is_small(vm->img);
}

/* The destroys that were under way have given their memory back: it is not waited for again. */
static void build_with_memory(struct memory_wait *m)
{
	struct build_job *b =
		(struct build_job *)(void *)((char *)m - offsetof(struct build_job, wait));

	m->until = 0;
	b->rc = 0;
	b->err = (struct err){0};
	if (life_is_over(&b->vm->life))
		job_done(&b->job);
	else
		worker_push(b->vm->en->worker, WORKER_BUILDS, &b->job);
}

/* A build that lacks memory which destroys under way will give back begins after them; with
 * `lacked` it was tried before. */
static void build_on_worker(struct vm *vm, bool claimed, bool lacked)
{
	struct build_job *b = calloc(1, sizeof(*b));
	struct err err = {0};

	if (!b) {
		int rc = err_set(&err, ENOMEM, "out of memory");

		built(vm, rc, &err);
		return;
	}
	*b = (struct build_job){
		.job = {.work = job_work, .done = job_done}, .vm = vm, .claimed = claimed};
	memory_build_begins(vm->en);
	if (!claimed) {
		b->wait.again = build_with_memory;
		b->wait.until = memory_youngest(vm->en);
		if (lacked || memory_is_coming(vm->en, vm->cfg.mem_kib)) {
			memory_wait(vm->en, &b->wait);
			return;
		}
	}
	worker_push(vm->en->worker, WORKER_BUILDS, &b->job);
}

int life_build(struct vm *vm, const struct life_news *n)
{
	struct vm_config *c = &vm->cfg;
	struct err *e = n->e;
	int rc = n->rc;
	bool fresh = vm->life.now == NOW_NEW;
	bool claimed;
	uint64_t since;

	vm->life.now = NOW_BUILDING;
	claimed = rc == 0 && vm_claim_shell(vm); /* may change its uuid */
	if (fresh)
		vm_announce(vm, VM_EV_CREATED);
	if (claimed) {
		file_close(vm->en->opener, FILE_READ, c->kernel_fd);
		c->kernel_fd = -1;
		rc = complete_shell(vm, e);
		if (rc == 0 && (!vm->map || (vm->t.way == VM_SHELL && !is_small(vm->img))))
			build_on_worker(vm, true, false);
		else
			built(vm, rc, e);
		return 0;
	}
	vm->create.slot_tries = 0;
	if (rc == 0)
		rc = slot_take(vm->en->slots, image_info(vm->img)->direct, &vm->slot, e);
	idle_later(vm->en->idle);
	since = clock_ns();
	/* The intent comes before the domain: whatever happens, the next start knows the uuid. */
	if (rc == 0)
		rc = vm_record(vm, e);
	vm->t.record_ns = (uint32_t)(clock_ns() - since);
	if (rc == 0 && !is_short(vm)) {
		build_on_worker(vm, false, false);
		return 0;
	}
	if (rc == 0)
		rc = build_inline(vm, e);
	if (rc == -ENOMEM && memory_promised(vm->en)) /* there will be memory in a moment */
		build_on_worker(vm, false, true);
	else
		built(vm, rc, e);
	return 0;
}

static void image_read(void *arg, struct image *img, int rc, const struct err *e)
{
	struct err err = *e;
	struct vm *vm = arg;

	vm->life.wait = WAIT_OTHERS;
	vm->img = img;
	vm->t.image_ns = (uint32_t)(clock_ns() - vm->create.start_ns);
	placed(vm, rc, &err);
}

void vm_place(struct vm *vm, int rc, struct err *e)
{
	struct vm_config *c = &vm->cfg;
	uint64_t since = clock_ns();

	memset(&vm->t, 0, sizeof(vm->t));
	vm->t.why = "";
	if (rc == 0)
		rc = files_take(vm->files, "kernel", c->kernel, &c->kernel_fd, e);
	if (rc == 0)
		rc = files_take(vm->files, "ramdisk", c->ramdisk, &c->ramdisk_fd, e);
	if (rc == 0)
		vm->img = images_find(vm->en->images, c->kernel_fd);
	if (rc == 0 && !vm->img) {
		rc = images_read(vm->en->images, c->kernel_fd, c->kernel ? c->kernel : "kernel",
				 image_read, vm, e);
		if (rc == 0)
			vm->life.wait = WAIT_IMAGE;
	}
	vm->t.image_ns = (uint32_t)(clock_ns() - since);
	if (vm->life.wait != WAIT_IMAGE)
		placed(vm, rc, e);
}
