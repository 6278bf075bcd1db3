/* SPDX-License-Identifier: BSD-3-Clause */
/* From a configuration to a running domain: what may take long runs on the worker, the rest here.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "split-toolstack/engine/private.h"

/* Up to here a build is short enough for the loop. */
#define INLINE_MEM_KIB	  (16u << 10)
#define INLINE_FILE_BYTES (1u << 20)

struct build_job {
	struct worker_job job;
	struct vm *vm;
	int rc;
	struct err err;
};

/* --- what is needed of the file system --- */

static int open_file(int *fd, const char *path, const char *key, struct err *e)
{
	if (*fd >= 0 || !path)
		return 0;
	*fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return err_sys(e, errno, "%s \"%s\"", key, path);
	return 0;
}

static bool is_small(int fd)
{
	struct stat st;

	return fd < 0 || (fstat(fd, &st) == 0 && st.st_size <= INLINE_FILE_BYTES);
}

/* --- the long part: thread-safe, touches only this vm --- */

static int build_domain(struct vm *vm, struct xen *x, struct err *e)
{
	struct vm_config *c = &vm->cfg;
	struct dom_module ramdisk = {c->ramdisk_fd, c->ramdisk ? c->ramdisk : "ramdisk"};
	struct dom_load load = {.cmdline = c->cmdline ? c->cmdline : "",
				.module = &ramdisk,
				.nmodule = c->ramdisk_fd >= 0};
	struct dom_spec spec = {
		.type = c->type,
		.mem_kib = c->mem_kib,
		.maxmem_kib = c->maxmem_kib,
		.vcpus = c->vcpus,
		.weight = c->weight,
		.cap = c->cap,
		.cpumap = c->cpumap,
		.cpumap_bytes = c->cpumap_bytes,
	};
	uint64_t since = clock_ns();
	int rc = 0;

	memcpy(spec.uuid, vm->uuid, sizeof(spec.uuid));
	if (!vm->img)
		rc = image_open(c->kernel_fd, c->kernel ? c->kernel : "kernel",
				vm->en->conf.cache_dir, &vm->img, e);
	vm->t.image_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0)
		rc = dom_prepare(x, &spec, vm->img, &vm->dom, e);
	if (rc < 0)
		return rc;
	since = clock_ns();
	rc = xen_evtchn_alloc(x, vm->dom.domid, 0, &load.console_port);
	if (rc < 0)
		rc = err_sys(e, -rc, "event channel of domain %u", vm->dom.domid);
	vm->guest_port = load.console_port;
	vm->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0)
		rc = dom_load(x, &vm->dom, vm->img, &load, e);
	if (rc < 0)
		(void)dom_destroy(x, &vm->dom, NULL);
	return rc;
}

/* --- the short part --- */

int vm_connect(struct vm *vm, bool adopt, struct err *e)
{
	struct engine *en = vm->en;
	xen_pfn_t frames[2] = {vm->dev_frame, vm->control_frame};
	void *map = NULL;
	int rc = xen_map(en->x, vm->domid, true, 2, frames, &map);

	if (rc < 0)
		return err_sys(e, -rc, "map device and control page of domain %u", vm->domid);
	vm->map = map;
	if (adopt)
		noxs_control_adopt(&vm->con, vm->map + 4096);
	else
		noxs_control_init(&vm->con, vm->map + 4096);
	rc = xen_evtchn_bind(en->x, vm->domid, vm->guest_port, &vm->port);
	if (rc < 0) {
		vm->port = 0;
		rc = err_sys(e, -rc, "bind to event channel %u of domain %u", vm->guest_port,
			     vm->domid);
	} else {
		rc = events_watch(en, vm->port, vm);
		if (rc < 0)
			rc = err_set(e, ENOMEM, "out of memory");
	}
	if (rc < 0)
		vm_disconnect(vm);
	return rc;
}

void vm_disconnect(struct vm *vm)
{
	struct engine *en = vm->en;

	if (vm->map)
		xen_unmap(en->x, vm->map, 2);
	vm->map = NULL;
	vm->con.page = NULL;
	if (vm->port) {
		(void)events_watch(en, vm->port, NULL);
		(void)xen_evtchn_unbind(en->x, vm->port);
	}
	vm->port = 0;
	vm->masked = false;
	vm->input_len = 0;
}

static int show_device_page(struct vm *vm, struct err *e)
{
	const struct dom *d = &vm->dom;
	struct noxs_facts f = {
		.pv = d->type == DOM_PV,
		.domid = d->domid,
		.vcpus = d->vcpus,
		.mem_pages = d->pages,
		.shared_info_gfn = d->shared_info_gfn,
		.control_gfn = d->control_gfn,
		.page_table_gfn = d->page_table_gfn,
		.page_table_pages = d->page_table_pages,
		.image_end_gfn = d->image_end_gfn,
		.tsc_khz = vm->en->host.cpu_khz,
		.control_port = vm->guest_port,
		.cmdline = vm->cfg.cmdline ? vm->cfg.cmdline : "",
	};
	int rc;

	if (!vm->noxs)
		return 0;
	memcpy(f.uuid, vm->uuid, sizeof(f.uuid));
	if (!vm->page)
		vm->page = malloc(sizeof(*vm->page));
	if (!vm->page)
		return err_set(e, ENOMEM, "out of memory");
	rc = noxs_page_fill(vm->page, &f, e);
	if (rc == 0)
		noxs_page_show(vm->map, vm->page);
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
		rc = show_device_page(vm, e);
	vm->t.devices_ns += (uint32_t)(clock_ns() - since);
	if (rc == 0)
		rc = dom_arm(en->x, &vm->dom, vm->img, e);
	if (rc < 0)
		return rc;
	vm->state = vm->flags & VM_CREATE_PAUSED ? VM_PAUSED : VM_RUNNING;
	vm->started_ns = clock_wall_ns();
	vm->reason = VM_REASON_NONE;
	vm->exit_code = -1;
	vm->log.ring_cons = 0;
	since = clock_ns();
	/* The final record comes before the guest's first instruction: from now on it is adopted.
	 */
	rc = registry_put(vm, e);
	vm->t.record_ns += (uint32_t)(clock_ns() - since);
	vm->unpaused = since = clock_ns();
	if (rc == 0 && vm->state == VM_RUNNING) {
		rc = xen_domain_unpause(en->x, vm->domid);
		if (rc < 0)
			rc = err_sys(e, -rc, "unpause domain %u", vm->domid);
	}
	memcpy(vm->t.phase_ns, vm->dom.phase_ns, sizeof(vm->t.phase_ns));
	vm->t.phase_ns[DOM_T_START] = (uint32_t)(clock_ns() - since);
	return rc;
}

static void close_files(struct vm *vm)
{
	if (vm->cfg.kernel_fd >= 0)
		(void)close(vm->cfg.kernel_fd);
	if (vm->cfg.ramdisk_fd >= 0)
		(void)close(vm->cfg.ramdisk_fd);
	vm->cfg.kernel_fd = -1;
	vm->cfg.ramdisk_fd = -1;
}

void vm_create_done(struct vm *vm, int rc, const struct err *e)
{
	vm_create_fn *fn = vm->created;

	vm->created = NULL;
	vm->t.total_ns = (uint32_t)(clock_ns() - vm->create_start);
	if (fn)
		fn(vm->created_arg, rc, rc < 0 ? NULL : vm, &vm->t, e);
}

/* Nothing of a failed build is left in Xen; a VM that had lived goes into the history. */
static void failed(struct vm *vm, int rc, const struct err *e)
{
	struct engine *en = vm->en;
	struct dom d = vm->dom;

	vm_disconnect(vm);
	vm_set_domid(vm, 0);
	close_files(vm);
	(void)dom_destroy(en->x, &d, NULL);
	dom_init(&vm->dom);
	image_put(vm->img);
	vm->img = NULL;
	vm_create_done(vm, rc, e);
	if (vm->restarts == 0 && vm->ended_ns == 0) {
		vm->state = VM_ENDED;
		vm_forget(vm);
		return;
	}
	if (vm->doomed)
		vm->reason = VM_REASON_DESTROYED;
	else
		log_line(LOG_ERROR, "op=restart name=%s: %s", vm->name, err_msg(e));
	vm->state = VM_ENDED;
	vm->ended_ns = clock_wall_ns();
	(void)registry_put(vm, NULL);
	vm_retire(vm);
	vm_announce(vm, VM_EV_DESTROYED);
}

static void finish(struct vm *vm, int rc, struct err *e)
{
	if (rc == 0 && vm->doomed)
		rc = err_set(e, ECANCELED, "\"%s\" was destroyed while it was built", vm->name);
	if (rc == 0) {
		if (vm->cfg.kernel_fd >= 0)
			images_keep(vm->en, vm->cfg.kernel_fd, vm->img);
		rc = start(vm, e);
	}
	if (rc < 0) {
		failed(vm, rc, e);
		return;
	}
	close_files(vm);
	image_put(vm->img);
	vm->img = NULL;
	vm_announce(vm, VM_EV_STARTED);
	death_hint(vm->en);
	if (!vm->noxs || !(vm->flags & VM_CREATE_WAIT_READY) || vm->state == VM_PAUSED)
		vm_create_done(vm, 0, NULL);
}

static void job_work(struct worker_job *job, struct xen *x)
{
	struct build_job *b = (struct build_job *)job;

	b->rc = build_domain(b->vm, x, &b->err);
}

static void job_done(struct worker_job *job)
{
	struct build_job *b = (struct build_job *)job;

	b->vm->job = false;
	finish(b->vm, b->rc, &b->err);
	free(b);
}

static bool is_short(const struct vm *vm)
{
	if (vm->cfg.mem_kib > INLINE_MEM_KIB || !is_small(vm->cfg.ramdisk_fd))
		return false;
	if (vm->img)
		return image_info(vm->img)->builder == IMAGE_OWN;
	return is_small(vm->cfg.kernel_fd);
}

void vm_build(struct vm *vm)
{
	struct vm_config *c = &vm->cfg;
	struct build_job *b;
	struct err err = {0};
	uint64_t since = clock_ns();
	int rc;

	memset(&vm->t, 0, sizeof(vm->t));
	rc = open_file(&c->kernel_fd, c->kernel, "kernel", &err);
	if (rc == 0)
		rc = open_file(&c->ramdisk_fd, c->ramdisk, "ramdisk", &err);
	if (rc == 0)
		vm->img = images_find(vm->en, c->kernel_fd);
	vm->t.image_ns = (uint32_t)(clock_ns() - since);
	since = clock_ns();
	/* The intent comes before the domain: whatever happens, the next start knows the uuid. */
	if (rc == 0)
		rc = registry_put(vm, &err);
	vm->t.record_ns = (uint32_t)(clock_ns() - since);
	if (rc < 0 || is_short(vm)) {
		bool cached = vm->img != NULL;

		if (rc == 0)
			rc = build_domain(vm, vm->en->x, &err);
		if (cached && c->kernel_fd >= 0) { /* is in the cache already */
			(void)close(c->kernel_fd);
			c->kernel_fd = -1;
		}
		finish(vm, rc, &err);
		return;
	}
	b = calloc(1, sizeof(*b));
	if (!b) {
		rc = err_set(&err, ENOMEM, "out of memory");
		finish(vm, rc, &err);
		return;
	}
	*b = (struct build_job){.job = {.work = job_work, .done = job_done}, .vm = vm};
	vm->job = true;
	worker_push(vm->en, &b->job);
}

/* --- create --- */

static int foreign_has_uuid(struct engine *en, const uint8_t uuid[16])
{
	struct xen_domain_info info[64];
	uint32_t first = 1;
	int n;

	while ((n = xen_domain_list(en->x, first, 64, info)) > 0) {
		for (int i = 0; i < n; i++)
			if (memcmp(info[i].uuid, uuid, 16) == 0 && !info[i].dying)
				return 1;
		first = info[n - 1].domid + 1;
	}
	return n;
}

static int identify(struct engine *en, struct vm *vm, struct err *e)
{
	struct vm *other = NULL;

	if (vm->cfg.have_uuid) {
		memcpy(vm->uuid, vm->cfg.uuid, sizeof(vm->uuid));
		HASH_FIND(by_uuid, en->uuids, vm->uuid, 16, other);
		if (other)
			return err_set(e, EEXIST,
				       "uuid: taken by \"%s\"; leave it out or destroy that one",
				       other->name);
		if (foreign_has_uuid(en, vm->uuid) > 0)
			return err_set(e, EEXIST, "uuid: taken by a domain of another toolstack");
	} else {
		if (getrandom(vm->uuid, sizeof(vm->uuid), 0) != (ssize_t)sizeof(vm->uuid))
			return err_sys(e, errno, "random uuid");
		vm->uuid[6] = (uint8_t)((vm->uuid[6] & 0x0f) | 0x40); /* RFC 9562, version 4 */
		vm->uuid[8] = (uint8_t)((vm->uuid[8] & 0x3f) | 0x80);
	}
	memcpy(vm->cfg.uuid, vm->uuid, sizeof(vm->uuid));
	if (vm->cfg.name[0] == '\0')
		(void)snprintf(vm->cfg.name, sizeof(vm->cfg.name), "vm-%02x%02x%02x%02x",
			       vm->uuid[0], vm->uuid[1], vm->uuid[2], vm->uuid[3]);
	memcpy(vm->name, vm->cfg.name, sizeof(vm->name));
	HASH_FIND(by_name, en->names, vm->name, strlen(vm->name), other);
	if (other)
		return err_set(
			e, EEXIST,
			"name \"%s\": taken by domain %u; choose another or destroy that one",
			vm->name, other->domid);
	return 0;
}

/* Big guests are refused before anything is made; small ones find out on the way. */
static int enough_memory(struct engine *en, const struct vm_config *c, struct err *e)
{
	uint64_t free_pages;

	if (c->mem_kib <= INLINE_MEM_KIB || xen_free_pages(en->x, &free_pages) < 0 ||
	    c->mem_kib / 4 <= free_pages)
		return 0;
	return err_set(e, ENOMEM,
		       "not enough memory: %llu MiB wanted, %llu MiB free; give less, or free some "
		       "(dom0's own: \"xl mem-set 0\")",
		       (unsigned long long)c->mem_kib >> 10, (unsigned long long)free_pages >> 8);
}

void engine_create(struct engine *en, struct vm_config *cfg, uint32_t flags, vm_create_fn *fn,
		   void *arg)
{
	uint64_t start_ns = clock_ns();
	struct vm_timings none = {0};
	struct err err = {0};
	struct vm *vm = NULL;
	struct vm *old;
	int rc = vm_config_check(cfg, &err);

	if (rc == 0 && cfg->type == DOM_PVH && !en->host.hvm)
		rc = err_set(&err, EOPNOTSUPP,
			     "type \"pvh\": this host has no hardware "
			     "virtualization with nested paging; use type=\"pv\"");
	if (rc == 0 && cfg->type == DOM_PV && !en->host.pv)
		rc = err_set(&err, EOPNOTSUPP,
			     "type \"pv\": this Xen runs no PV guests; use type=\"pvh\"");
	if (rc == 0)
		rc = enough_memory(en, cfg, &err);
	if (rc == 0) {
		vm = vm_new(en);
		if (!vm)
			rc = err_set(&err, ENOMEM, "out of memory");
	}
	if (rc == 0) {
		vm->cfg = *cfg;
		vm_config_init(cfg);
		rc = identify(en, vm, &err);
	}
	if (rc < 0 || !vm) {
		vm_free(vm);
		vm_config_clear(cfg);
		fn(arg, rc, NULL, &none, &err);
		return;
	}
	old = engine_find_uuid(en, vm->uuid);
	if (old) /* of the history: the uuid lives again */
		vm_forget(old);
	vm->state = VM_BUILDING;
	vm->flags = flags;
	vm->created = fn;
	vm->created_arg = arg;
	vm->create_start = start_ns;
	vm->created_ns = clock_wall_ns();
	vm_link_alive(vm);
	vm_announce(vm, VM_EV_CREATED);
	vm_build(vm);
}
