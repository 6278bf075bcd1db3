/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices that come and go while their VM runs. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A guest has so long to let go of a device. */
#define DETACH_S 10.0

/* --- waiting --- */

static void forget_config(struct vm *vm, enum device_kind kind, uint32_t devid);

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct device *d = t->data;
	struct err e = {0};

	(void)revents;
	ev_timer_stop(loop, t);
	if (d->phase >= PHASE_QUEUED) {
		int rc = err_set(&e, ETIMEDOUT, "%s %u: the kernel has not let go of it yet",
				 d->id.kind, d->key.devid);

		device_done(d, rc, &e);
		return;
	}
	if (d->phase < PHASE_CLOSING && !d->take_back)
		device_broken(d, "its backend did not come up within %.0f s",
			      d->noxs ? CONNECT_S : ATTACH_S);
	if (d->take_back && d->vm)
		forget_config(d->vm, d->cfg.kind, d->key.devid);
	if (d->take_back || d->phase == PHASE_CLOSING)
		device_remove(d);
}

void device_wait(struct device *d, double seconds)
{
	ev_timer_stop(d->en->loop, &d->timer);
	ev_timer_init(&d->timer, on_timer, seconds, 0.);
	d->timer.data = d;
	ev_timer_start(d->en->loop, &d->timer);
}

static void wait_for(struct device *d, double seconds, device_fn *fn, void *arg)
{
	d->done = fn;
	d->done_arg = arg;
	device_wait(d, seconds);
}

/* --- what a restart and the next daemon make again --- */

/* Not one that is on its way out either. */
static uint32_t free_devid(const struct vm *vm)
{
	for (uint32_t id = 0;; id++) {
		bool taken = device_find(vm->en, vm->domid, DEVICE_VIF, id);

		for (uint32_t i = 0; i < vm->cfg.ndevice && !taken; i++)
			taken = vm->cfg.device[i].kind == DEVICE_VIF &&
				vm->cfg.device[i].u.vif.devid == id;
		if (!taken)
			return id;
	}
}

/* Takes what is in `d`. */
static int remember(struct vm *vm, struct device_config *d, struct err *e)
{
	struct vm_config *c = &vm->cfg;
	struct device_config *grown = realloc(c->device, (c->ndevice + 1) * sizeof(*grown));
	int rc;

	if (!grown)
		return err_set(e, ENOMEM, "out of memory");
	c->device = grown;
	c->device[c->ndevice] = *d;
	if (d->kind == DEVICE_VIF && d->u.vif.devid == DEVICE_ANY)
		c->device[c->ndevice].u.vif.devid = free_devid(vm);
	device_number(vm, &c->device[c->ndevice]);
	c->ndevice++;
	device_config_init(d, d->kind);
	rc = claims_take(vm, e);
	return rc < 0 ? rc : registry_put(vm, e);
}

static void forget_config(struct vm *vm, enum device_kind kind, uint32_t devid)
{
	struct vm_config *c = &vm->cfg;

	for (uint32_t i = 0; i < c->ndevice; i++) {
		struct device_config *d = &c->device[i];

		if (d->kind != kind ||
		    (kind == DEVICE_VIF ? d->u.vif.devid : d->u.vbd.vdev) != devid)
			continue;
		device_config_clear(d);
		memmove(d, d + 1, (c->ndevice - i - 1) * sizeof(*d));
		c->ndevice--;
		(void)claims_take(vm, NULL);
		(void)registry_put(vm, NULL);
		return;
	}
}

/* --- attach and detach --- */

static int may_attach(struct vm *vm, const struct device_config *d, struct err *e)
{
	bool vif = d->kind == DEVICE_VIF;
	uint32_t devid = vif ? d->u.vif.devid : d->u.vbd.vdev;
	const struct device *has;
	int rc;

	if (vm->state != VM_RUNNING && vm->state != VM_PAUSED)
		return err_set(e, ESRCH, "\"%s\" is not running: it is %s", vm->name,
			       vm_state_name(vm->state));
	if (vm->noxs)
		return err_set(e, EOPNOTSUPP,
			       "\"%s\" is a noxs guest: its devices are made with it; name them at "
			       "its creation",
			       vm->name);
	rc = device_config_check(d, vm->cfg.device, vm->cfg.ndevice, e);
	has = rc == 0 ? device_find(vm->en, vm->domid, d->kind, devid) : NULL;
	if (has) { /* none that the VM's configuration knows */
		rc = err_set(e, EEXIST, "\"%s\" has a %s %u already", vm->name,
			     vif ? "vif" : "disk", devid);
		return has->phase >= PHASE_CLOSING ? -EAGAIN : rc;
	}
	return rc < 0 ? rc : device_admit(vm, d, e);
}

static void attach(struct vm *vm, struct device_config *c, device_fn *fn, void *arg)
{
	uint32_t before = vm->cfg.ndevice;
	enum device_kind kind = c->kind;
	struct device *d = NULL;
	struct err e = {0};
	uint32_t devid = 0;
	int rc = remember(vm, c, &e);

	if (vm->cfg.ndevice > before) {
		struct device_config *kept = &vm->cfg.device[before];

		devid = kind == DEVICE_VIF ? kept->u.vif.devid : kept->u.vbd.vdev;
		if (rc == 0)
			rc = device_add(vm->en, &vm->devices, kept, &vm->dom, 0, &d, &e);
		if (kind == DEVICE_VBD && kept->u.vbd.fd >= 0) { /* the device has its own */
			(void)close(kept->u.vbd.fd);
			kept->u.vbd.fd = -1;
		}
	}
	if (rc == 0 && d) {
		d->vm = vm;
		d->attaching = true;
		wait_for(d, ATTACH_S, fn, arg);
		rc = device_start(d, &e);
		if (rc == 0 || !d->done) /* it has heard, or will */
			return;
		d->done = NULL;
		d->attaching = false;
		ev_timer_stop(vm->en->loop, &d->timer);
	}
	if (vm->cfg.ndevice > before)
		forget_config(vm, kind, devid);
	if (d)
		device_remove(d);
	device_config_clear(c);
	fn(arg, rc, NULL, &e);
}

/* An attach that waits. The VM can be gone meanwhile. */
struct attach {
	struct leaving leaving; /* first */
	struct engine *en;
	uint8_t uuid[16];
	struct device_config config;
	device_fn *fn;
	void *arg;
};

static void attach_free(struct attach *a)
{
	device_config_clear(&a->config);
	free(a);
}

static void attach_again(struct leaving *l, bool last)
{
	struct attach *a = (struct attach *)l;
	struct vm *vm = engine_find_uuid(a->en, a->uuid);
	struct err e = {0};
	int rc = vm ? may_attach(vm, &a->config, &e)
		    : err_set(&e, ESRCH, "the VM has ended and is forgotten");

	if (rc == -EAGAIN && !last) {
		leaving_wait(a->en, l);
		return;
	}
	if (rc == -EAGAIN)
		rc = leaving_over(&e);
	if (!vm || rc < 0)
		a->fn(a->arg, rc, NULL, &e);
	else
		attach(vm, &a->config, a->fn, a->arg);
	attach_free(a);
}

void vm_attach(struct vm *vm, struct device_config *c, device_fn *fn, void *arg)
{
	struct attach *a = NULL;
	struct err e = {0};
	int rc = may_attach(vm, c, &e);

	if (rc == 0) {
		attach(vm, c, fn, arg);
		return;
	}
	if (rc == -EAGAIN) {
		a = malloc(sizeof(*a));
		if (!a)
			rc = err_set(&e, ENOMEM, "out of memory");
	}
	if (!a) {
		device_config_clear(c);
		fn(arg, rc, NULL, &e);
		return;
	}
	*a = (struct attach){
		.leaving.again = attach_again, .en = vm->en, .config = *c, .fn = fn, .arg = arg};
	memcpy(a->uuid, vm->uuid, sizeof(a->uuid));
	device_config_init(c, c->kind);
	leaving_wait(vm->en, &a->leaving);
}

void attaches_close(struct engine *en)
{
	struct leaving *l = en->leaving;

	while (l) {
		struct leaving *next = l->next;

		if (l->again == attach_again) {
			leaving_end(en, l);
			attach_free((struct attach *)l);
		}
		l = next;
	}
}

void vm_detach(struct vm *vm, enum device_kind kind, uint32_t devid, bool force, device_fn *fn,
	       void *arg)
{
	struct device *d = vm->domid ? device_find(vm->en, vm->domid, kind, devid) : NULL;
	struct err e = {0};
	int rc = 0;

	if (!d || d->vm != vm)
		rc = err_set(&e, ENODEV, "\"%s\" has no %s %u", vm->name,
			     kind == DEVICE_VIF ? "vif" : "disk", devid);
	else if (vm->noxs)
		rc = err_set(&e, EOPNOTSUPP, "\"%s\" is a noxs guest: its devices end with it",
			     vm->name);
	else if (d->done || d->phase >= PHASE_CLOSING)
		rc = err_set(&e, EBUSY, "%s %u of \"%s\" is being attached or detached", d->id.kind,
			     devid, vm->name);
	if (rc < 0) {
		fn(arg, rc, NULL, &e);
		return;
	}
	forget_config(vm, kind, devid);
	wait_for(d, DETACH_S, fn, arg);
	d->phase = PHASE_CLOSING; /* before its state is seen to change */
	if (force || d->reason[0] || devtree_close(engine_store(vm->en), &d->id) < 0)
		device_remove(d);
}
