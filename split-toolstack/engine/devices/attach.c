/* SPDX-License-Identifier: BSD-3-Clause */
/* Attaches and detaches devices while their VM runs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/devices/teardown_wait.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/record.h"

/* Time for a guest to release a device. */
#define DETACH_S 10.0

/* --- waiting --- */

static void wait_for(struct device *d, double seconds, device_fn *fn, void *arg)
{
	d->done = fn;
	d->done_arg = arg;
	device_wait(d, seconds);
}

/* --- what a restart and the next daemon make again --- */

/* Takes what is in `d`. */
static int remember(struct vm *vm, struct device_config *d, struct err *e)
{
	struct vm_config *c = vm_change_cfg(vm);
	struct device_config *grown = realloc(c->device, (c->ndevice + 1) * sizeof(*grown));
	int rc;

	if (!grown)
		return err_set(e, ENOMEM, "out of memory");
	c->device = grown;
	c->device[c->ndevice] = *d;
	if (engine_devices(vm_engine(vm))->kinds[d->kind]->number)
		engine_devices(vm_engine(vm))
			->kinds[d->kind]
			->number(vm, &c->device[c->ndevice], true);
	c->ndevice++;
	device_config_init(d, d->kind);
	rc = reservations_take(vm, e);
	return rc < 0 ? rc : vm_record(vm, e);
}

static void forget_config(struct vm *vm, enum device_kind kind, uint32_t devid)
{
	struct vm_config *c = vm_change_cfg(vm);

	for (uint32_t i = 0; i < c->ndevice; i++) {
		struct device_config *d = &c->device[i];

		if (d->kind != kind || d->devid != devid)
			continue;
		device_config_clear(d);
		memmove(d, d + 1, (c->ndevice - i - 1) * sizeof(*d));
		c->ndevice--;
		(void)reservations_take(vm, NULL);
		(void)vm_record(vm, NULL);
		return;
	}
}

/* Its attach failed later. */
static void forget_device(struct device *d)
{
	if (d->vm)
		forget_config(d->vm, d->cfg.kind, d->key.devid);
}

/* --- attach and detach --- */

/* `disk`: NULL when it was not opened yet. */
static int may_attach(struct vm *vm, struct device_config *d, const struct file *disk,
		      struct err *e)
{
	uint32_t devid = d->devid;
	const struct device *has;
	int rc;

	if (vm_state(vm) != VM_RUNNING && vm_state(vm) != VM_PAUSED)
		return err_set(e, ESRCH, "\"%s\" is not running: it is %s", vm_name(vm),
			       vm_state_name(vm_state(vm)));
	if (vm_has_noxs(vm))
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" is a noxs guest: its devices are fixed when it is created",
			       vm_name(vm));
	rc = device_config_check(d, vm_cfg(vm)->device, vm_cfg(vm)->ndevice, e);
	has = rc == 0 ? device_find(vm_engine(vm), vm_domid(vm), d->kind, devid) : NULL;
	if (has) { /* a device that is not in the VM's configuration */
		rc = err_set(e, EEXIST, "\"%s\" has a %s %u already", vm_name(vm),
			     device_kind_word(d->kind), devid);
		return has->phase >= PHASE_CLOSING ? -EAGAIN : rc;
	}
	return rc < 0 ? rc : device_admit(vm, d, disk, e);
}

static void attach(struct vm *vm, struct device_config *c, struct file *disk, device_fn *fn,
		   void *arg)
{
	uint32_t before = vm_cfg(vm)->ndevice; /* NOLINT(clang-analyzer-core.NullDereference) */
	enum device_kind kind = c->kind;
	struct device *d = NULL;
	struct err e = {0};
	uint32_t devid = 0;
	int rc = remember(vm, c, &e);

	if (vm_cfg(vm)->ndevice > before) {
		struct device_config *kept = &vm_cfg(vm)->device[before];
		struct vbd_config *file = device_change_file(kept);

		devid = kept->devid;
		if (rc == 0)
			rc = device_add(vm_engine(vm), vm_devices(vm), kept, vm_dom(vm), 0, &d, &e);
		if (file && file->fd >= 0) { /* the device has its own */
			(void)close(file->fd);
			file->fd = -1;
		}
	}
	if (rc == 0 && d) {
		d->vm = vm;
		d->attaching = true;
		d->forget = forget_device;
		wait_for(d, ATTACH_S, fn, arg);
		rc = device_start(d, disk, &e);
		if (rc == 0 || !d->done) /* the guest has the request, or will get it */
			return;
		d->done = NULL;
		d->attaching = false;
		ev_timer_stop(engine_loop(vm_engine(vm)), &d->timer);
	}
	if (vm_cfg(vm)->ndevice > before)
		forget_config(vm, kind, devid);
	if (d)
		device_remove(d);
	device_config_clear(c);
	fn(arg, rc, NULL, &e);
}

/* An attach that waits for its disk to be opened, or for a device that is being removed. The VM
 * may be gone meanwhile. */
struct attach {
	struct teardown_wait teardown_wait; /* first */
	struct attach *next, *prev;
	struct engine *en;
	uint8_t uuid[16];
	struct device_config config;
	struct files *files;
	device_fn *fn;
	void *arg;
};

static void attach_free(struct attach *a)
{
	DL_DELETE(engine_devices(a->en)->attaches, a); /* NOLINT(clang-analyzer-unix.Malloc) */
	teardown_wait_end(a->en, &a->teardown_wait);
	files_drop(&a->files);
	device_config_clear(&a->config);
	free(a);
}

/* Ends it with rc and the reason. */
static void attach_ends(struct attach *a, int rc, const struct err *e)
{
	device_fn *fn = a->fn;
	void *arg = a->arg;

	attach_free(a);
	fn(arg, rc, NULL, e);
}

/* Waits if a device is being removed; true: rc is 0, and the attach continues. */
static bool is_admitted(struct attach *a, int rc, struct err *e)
{
	if (rc == -EAGAIN && teardown_wait_again(a->en, &a->teardown_wait)) {
		files_drop(&a->files);
		return false;
	}
	if (rc == -EAGAIN)
		rc = teardown_wait_over(e);
	if (rc < 0)
		attach_ends(a, rc, e);
	return rc == 0;
}

static void attach_now(struct attach *a, struct vm *vm, struct file *disk)
{
	device_fn *fn = a->fn;
	void *arg = a->arg;
	struct device_config c = a->config;
	struct files *files = a->files;

	device_config_init(&a->config, c.kind);
	a->files = NULL;
	attach_free(a);
	attach(vm, &c, disk, fn, arg);
	files_drop(&files);
	device_config_clear(&c);
}

static void disk_is_open(void *arg, struct files *f)
{
	struct attach *a = arg;
	struct vm *vm = engine_find_uuid(a->en, a->uuid);
	struct file *disk = files_only(f);
	struct err e = {0};
	int rc = vm ? may_attach(vm, &a->config, disk, &e)
		    : err_set(&e, ESRCH, "the VM has ended and was removed");

	if (is_admitted(a, rc, &e))
		attach_now(a, vm, disk);
}

static void open_disk(struct attach *a)
{
	struct err e = {0};
	int rc;

	a->files = files_new(engine_opener(a->en));
	rc = a->files ? files_add_disk(a->files, FILE_DISK, &a->config, &e)
		      : err_set(&e, ENOMEM, "out of memory");
	if (rc < 0)
		attach_ends(a, rc, &e);
	else if (files_open(a->files, disk_is_open, a))
		disk_is_open(a, a->files);
}

static void attach_again(struct teardown_wait *l, bool last)
{
	struct attach *a = (struct attach *)l;
	struct vm *vm = engine_find_uuid(a->en, a->uuid);
	struct err e = {0};
	int rc = vm ? may_attach(vm, &a->config, NULL, &e)
		    : err_set(&e, ESRCH, "the VM has ended and was removed");

	(void)last; /* by its time */
	if (!is_admitted(a, rc, &e))
		return;
	if (device_file(&a->config))
		open_disk(a);
	else
		attach_now(a, vm, NULL);
}

void vm_attach(struct vm *vm, struct device_config *c, device_fn *fn, void *arg)
{
	struct attach *a = calloc(1, sizeof(*a));
	struct err e = {0};

	if (!a) {
		int rc = err_set(&e, ENOMEM, "out of memory");

		device_config_clear(c);
		fn(arg, rc, NULL, &e);
		return;
	}
	*a = (struct attach){.teardown_wait.again = attach_again,
			     .en = vm_engine(vm),
			     .config = *c,
			     .fn = fn,
			     .arg = arg};
	memcpy(a->uuid, vm_uuid_bytes(vm), sizeof(a->uuid));
	device_config_init(c, c->kind);
	DL_APPEND(engine_devices(vm_engine(vm))->attaches, a);
	attach_again(&a->teardown_wait, false);
}

void attaches_end(const struct vm *vm)
{
	struct attach *a = engine_devices(vm_engine(vm))->attaches;

	while (a) {
		struct attach *next = a->next; /* NOLINT(clang-analyzer-unix.Malloc) */

		if (memcmp(a->uuid, vm_uuid_bytes(vm), sizeof(a->uuid)) == 0) {
			struct err e = {0};
			int rc = err_set(&e, ECANCELED, "the VM has ended");

			attach_ends(a, rc, &e);
			next = engine_devices(vm_engine(vm))
				       ->attaches; /* the called functions may end other attaches */
		}
		a = next;
	}
}

void attaches_close(struct engine *en)
{
	while (engine_devices(en)->attaches)
		attach_free(engine_devices(en)->attaches); /* NOLINT(clang-analyzer-unix.Malloc) */
}

void vm_detach(struct vm *vm, enum device_kind kind, uint32_t devid, bool force, device_fn *fn,
	       void *arg)
{
	struct device *d =
		vm_domid(vm) ? device_find(vm_engine(vm), vm_domid(vm), kind, devid) : NULL;
	struct err e = {0};
	int rc = 0;

	if (!d || d->vm != vm)
		rc = err_set(&e, ENODEV, "\"%s\" has no %s %u", vm_name(vm), device_kind_word(kind),
			     devid);
	else if (vm_has_noxs(vm))
		rc = err_set(&e, EOPNOTSUPP,
			     "\"%s\" is a noxs guest: its devices cannot be detached", vm_name(vm));
	else if (d->done || d->phase >= PHASE_CLOSING)
		rc = err_set(&e, EBUSY, "%s %u of \"%s\" is being attached or detached", d->id.kind,
			     devid, vm_name(vm));
	if (rc < 0) {
		fn(arg, rc, NULL, &e);
		return;
	}
	forget_config(vm, kind, devid);
	wait_for(d, DETACH_S, fn, arg);
	d->phase = PHASE_CLOSING; /* before its state is seen to change */
	if (force || d->reason[0] ||
	    devtree_close(engine_devices(vm_engine(vm))->host.store, &d->id) < 0)
		device_remove(d);
}
