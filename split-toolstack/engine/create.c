/* SPDX-License-Identifier: BSD-3-Clause */
/* From a configuration to a running domain: what may take long runs on the worker, the rest here.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/device.h"

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

/* --- the long part: thread-safe, touches only this vm --- */

static int load_image(struct vm *vm, struct xen *x, struct err *e)
{
	const struct vm_config *c = &vm->cfg;
	struct dom_module ramdisk = {c->ramdisk_fd, c->ramdisk ? c->ramdisk : "ramdisk"};
	struct dom_load load = {.cmdline = c->cmdline ? c->cmdline : "",
				.module = &ramdisk,
				.nmodule = c->ramdisk_fd >= 0,
				.console_port = vm->guest_port,
				.store_port = vm->view.guest_port};

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
	vm->view.guest_port = 0;
	if (!image_info(vm->img)->direct) /* others expect to find their end */
		rc = view_ports(x, vm->dom.domid, image_info(vm->img)->noxs, &vm->guest_port,
				&vm->view.guest_port, e);
	vm->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0)
		rc = load_image(vm, x, e);
	if (rc < 0)
		(void)dom_destroy(x, &vm->dom, NULL);
	return rc;
}

/* --- the short part --- */

static int show_device_page(struct vm *vm, struct err *e)
{
	const struct dom *d = &vm->dom;
	struct noxs_facts f = {
		.pv = d->type == DOM_PV,
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

	if (!vm->noxs)
		return 0;
	f.dev = dev;
	f.ndev = devices_page(vm->devices, dev);
	f.grant_gfn = d->grant_gfn;
	f.grant_frames = d->grant_frames;
	memcpy(f.uuid, vm->uuid, sizeof(f.uuid));
	rc = noxs_page_fill(&page, &f, e);
	if (rc == 0)
		noxs_page_show(vm->map, &page);
	return rc;
}

/* Everything between a loaded domain and one that runs. */
static int start(struct vm *vm, struct err *e)
{
	struct engine *en = vm->en;
	uint64_t since = clock_ns();
	int rc;

	vm_set_domid(vm, vm->dom.domid);
	vm->dev_frame = vm->dom.dev_frame;
	vm->control_frame = vm->dom.control_frame;
	vm->pages = vm->dom.pages;
	vm->noxs = image_info(vm->img)->noxs;
	rc = vm_connect(vm, false, e);
	if (rc == 0)
		rc = devices_start(vm, e);
	if (rc == 0)
		rc = show_device_page(vm, e);
	vm->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0 && vm->dom.build) /* warm shells are armed */
		rc = dom_arm(en->x, &vm->dom, vm->img, e);
	if (rc < 0)
		return rc;
	console_log_new_ring(vm);
	return 0;
}

/* The final record comes before the guest's first instruction: from now on it is adopted. */
static int run(struct vm *vm, struct err *e)
{
	uint64_t since = clock_ns();
	int rc;

	vm->state = vm->flags & VM_CREATE_PAUSED ? VM_PAUSED : VM_RUNNING;
	vm->started_ns = clock_wall_ns();
	vm->reason = VM_REASON_NONE;
	vm->exit_code = -1;
	rc = registry_put(vm, e);
	vm->t.record_ns += (uint32_t)(clock_ns() - since);
	vm->unpaused = since = clock_ns();
	if (rc == 0 && vm->state == VM_RUNNING) {
		rc = vm_let_run(vm);
		if (rc < 0)
			rc = err_sys(e, -rc, "unpause domain %u", vm->domid);
	}
	memcpy(vm->t.phase_ns, vm->dom.phase_ns, sizeof(vm->t.phase_ns));
	vm->t.phase_ns[DOM_T_START] = (uint32_t)(clock_ns() - since);
	return rc;
}

static void close_files(struct vm *vm)
{
	file_close(vm->en, FILE_READ, vm->cfg.kernel_fd);
	file_close(vm->en, FILE_READ, vm->cfg.ramdisk_fd);
	vm->cfg.kernel_fd = -1;
	vm->cfg.ramdisk_fd = -1;
	files_drop(&vm->files);
}

void vm_create_done(struct vm *vm, int rc, const struct err *e)
{
	vm_create_fn *fn = vm->created;

	vm->created = NULL;
	vm->t.total_ns = (uint32_t)(clock_ns() - vm->create_start);
	if (fn)
		fn(vm->created_arg, rc, rc < 0 ? NULL : vm, &vm->t, e);
}

/* What was built goes, and what was opened for it. */
static void unbuild(struct vm *vm)
{
	vm_drop_domain(vm);
	dom_init(&vm->dom);
	close_files(vm);
	image_put(vm->img);
	vm->img = NULL;
}

/* Nothing of a failed build is left; a VM that had lived goes into the history. */
static void failed(struct vm *vm, int rc, const struct err *e)
{
	unbuild(vm);
	vm_create_done(vm, rc, e);
	vm->state = VM_ENDED;
	if (vm->restarts == 0 && vm->ended_ns == 0) {
		vm_unmake(vm);
		return;
	}
	log_line(LOG_ERROR, "op=restart name=%s: %s", vm->name, err_msg(e));
	vm->ended_ns = clock_wall_ns();
	(void)registry_put(vm, NULL);
	vm_retire(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

void vm_start_over(struct vm *vm, int rc, struct err *e)
{
	if (rc == 0)
		rc = run(vm, e);
	if (rc < 0) {
		failed(vm, rc, e);
		return;
	}
	vm_replace_old(vm);
	vm_announce(vm, VM_EV_STARTED);
	death_hint(vm->en);
	if (!vm->noxs || !(vm->flags & VM_CREATE_WAIT_READY) || vm->state == VM_PAUSED)
		vm_create_done(vm, 0, NULL);
}

static void finish(struct vm *vm, int rc, struct err *e)
{
	if (rc == 0)
		rc = start(vm, e);
	if (rc == 0) {
		close_files(vm);
		image_put(vm->img);
		vm->img = NULL;
	}
	if (rc < 0 || !vm_wait_devices(vm))
		vm_start_over(vm, rc, e);
}

static void job_work(struct worker_job *job, struct xen *x)
{
	struct build_job *b = (struct build_job *)job;

	b->rc = b->claimed ? load_image(b->vm, x, &b->err) : build_domain(b->vm, x, &b->err);
}

/* True when the domain id was somebody else's and another try is worth while. */
static bool other_slot(struct vm *vm, int rc, struct err *e)
{
	if (rc != -EEXIST || ++vm->slot_tries > SLOT_TRIES)
		return false;
	slot_put_last(vm->en, &vm->slot);
	*e = (struct err){0};
	/* The intent has the id: with the uuid it tells the next daemon what is ours. */
	return slot_take(vm->en, true, &vm->slot, e) == 0 && registry_put(vm, e) == 0;
}

/* It was destroyed meanwhile: the VM is of the history, or of nothing any more. */
static void abandoned(struct vm *vm)
{
	unbuild(vm);
	if (vm->forgotten)
		vm_free(vm);
}

static void job_done(struct worker_job *job)
{
	struct build_job *b = (struct build_job *)job;
	bool ended = b->vm->state == VM_ENDED;

	if (!ended && !b->claimed && other_slot(b->vm, b->rc, &b->err)) {
		worker_push(b->vm->en, WORKER_BUILDS, job);
		return;
	}
	if (!ended && b->rc == -ENOMEM && b->wait.until) {
		memory_wait(b->vm->en, &b->wait);
		return;
	}
	b->vm->job = false;
	b->vm->en->builds--;
	pool_idle_later(b->vm->en);
	if (ended) {
		abandoned(b->vm);
	} else {
		vm_list_window(b->vm);
		finish(b->vm, b->rc, &b->err);
	}
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
	if (rc != -ENOMEM || !vm->en->flavors)
		return rc;
	pool_drop(vm->en);
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
	if (b->vm->state == VM_ENDED)
		job_done(&b->job);
	else
		worker_push(b->vm->en, WORKER_BUILDS, &b->job);
}

/* A build that lacks memory which destroys under way will give back begins after them; with
 * `lacked` it was tried before. */
static void build_on_worker(struct vm *vm, bool claimed, bool lacked)
{
	struct build_job *b = calloc(1, sizeof(*b));
	struct err err = {0};

	if (!b) {
		int rc = err_set(&err, ENOMEM, "out of memory");

		finish(vm, rc, &err);
		return;
	}
	*b = (struct build_job){
		.job = {.work = job_work, .done = job_done}, .vm = vm, .claimed = claimed};
	vm->job = true;
	vm->en->builds++;
	if (!claimed) {
		b->wait.again = build_with_memory;
		b->wait.until = memory_youngest(vm->en);
		if (lacked || memory_is_coming(vm->en, vm->cfg.mem_kib)) {
			memory_wait(vm->en, &b->wait);
			return;
		}
	}
	worker_push(vm->en, WORKER_BUILDS, &b->job);
}

/* Its files are open, its image is known. */
static void build_with_image(struct vm *vm, int rc, struct err *e)
{
	struct vm_config *c = &vm->cfg;
	bool claimed = rc == 0 && pool_claim(vm); /* may change its uuid */
	uint64_t since;

	if (!vm->announced) {
		vm->announced = true;
		vm_announce(vm, VM_EV_CREATED);
	}
	if (claimed) {
		file_close(vm->en, FILE_READ, c->kernel_fd);
		c->kernel_fd = -1;
		rc = complete_shell(vm, e);
		if (rc == 0 && (!vm->map || (vm->t.way == VM_SHELL && !is_small(vm->img))))
			build_on_worker(vm, true, false);
		else
			finish(vm, rc, e);
		return;
	}
	vm->slot_tries = 0;
	if (rc == 0)
		rc = slot_take(vm->en, image_info(vm->img)->direct, &vm->slot, e);
	pool_idle_later(vm->en);
	since = clock_ns();
	/* The intent comes before the domain: whatever happens, the next start knows the uuid. */
	if (rc == 0)
		rc = registry_put(vm, e);
	vm->t.record_ns = (uint32_t)(clock_ns() - since);
	if (rc == 0 && !is_short(vm)) {
		build_on_worker(vm, false, false);
		return;
	}
	if (rc == 0)
		rc = build_inline(vm, e);
	if (rc == -ENOMEM && vm->en->dying_pages) /* there will be memory in a moment */
		build_on_worker(vm, false, true);
	else
		finish(vm, rc, e);
}

static void image_read(void *arg, struct image *img, int rc, const struct err *e)
{
	struct err err = *e;
	struct vm *vm = arg;

	vm->job = false;
	vm->img = img;
	vm->t.image_ns = (uint32_t)(clock_ns() - vm->create_start);
	if (vm->state == VM_ENDED)
		abandoned(vm);
	else
		build_with_image(vm, rc, &err);
}

void vm_build(struct vm *vm, int rc, struct err *e)
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
		vm->img = images_find(vm->en, c->kernel_fd);
	if (rc == 0 && !vm->img) {
		rc = images_read(vm->en, c->kernel_fd, c->kernel ? c->kernel : "kernel", image_read,
				 vm, e);
		vm->job = rc == 0;
	}
	vm->t.image_ns = (uint32_t)(clock_ns() - since);
	if (!vm->job)
		build_with_image(vm, rc, e);
}
