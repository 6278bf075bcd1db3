/* SPDX-License-Identifier: BSD-3-Clause */
/* Copies of a booted guest without a noxs entry: each is a VM without a name, with store,
 * console and devices. It runs until it is ready, and is then paused until a create takes it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/admit.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/devices/set-t.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/domain/drop.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/files/files.h"
#include "split-toolstack/engine/guest/console_log.h"
#include "split-toolstack/engine/guest/control.h"
#include "split-toolstack/engine/guest/guest_start.h"
#include "split-toolstack/engine/guest/guest_store.h"
#include "split-toolstack/engine/pool/pool-t.h"
#include "split-toolstack/engine/pool/tcp_probe.h"
#include "split-toolstack/engine/vm/parts.h"

/* Interval for checking those that are not ready; and their maximal time. */
#define LOOK_S	 0.005
#define BOOTED_S 30.0

struct booted {
	struct vm *vm;
	const struct device_set_ops *vm_ops; /* of its devices, when it is a VM's */
	double until;			     /* loop's time: then it is too late */
	double since;			     /* its devices are connected; 0: they are not */
	bool runs;
	struct tcp_probe probe;
};

static struct shell *shell_of(struct engine *en, const struct vm *vm)
{
	struct shell *s;

	DL_FOREACH2(engine_pool(en)->connecting, s, conn_next)
	if (s->booted && s->booted->vm == vm)
		return s;
	for (struct flavor *f = engine_pool(en)->flavors; f; f = f->next)
		for (s = f->shells; s; s = s->next)
			if (s->booted && s->booted->vm == vm)
				return s;
	return NULL;
}

/* --- what its devices tell --- */

static void device_changed(struct device_set *set, bool news)
{
	(void)set; /* it is looked at soon */
	(void)news;
}

static void device_failed(struct device_set *set, const struct err *e)
{
	struct vm *vm = vm_of_devices(set);
	struct shell *s = shell_of(vm_engine(vm), vm);

	if (s)
		shell_failed(s, e);
}

static const struct device_set_ops device_ops = {.changed = device_changed,
						 .failed = device_failed};

/* --- its end --- */

static void free_shell(struct shell *s)
{
	tcp_probe_close(&s->booted->probe);
	free(s->booted);
	free(s);
}

static void end(struct engine *en, struct shell *s)
{
	struct vm *vm = s->booted->vm;
	uint32_t domid = vm_domid(vm);
	uint8_t *map;

	drop_note(en, domid, vm_uuid_bytes(vm));
	mapping_close(en, vm_change_dom(vm));
	guest_store_close(vm);
	control_close(vm);
	map = vm_take_map(vm);
	dom_release(vm_change_dom(vm));
	devices_drop(vm_devices(vm));
	domain_drop(en, domid, vm_uuid_bytes(vm), vm_pages(vm), vm_slot(vm), map, true);
	guest_store_forget(vm);
	console_log_delete(vm);
	vm_drop_domid(vm);
	engine_pool(en)->ops->vm_free(vm);
	free_shell(s);
}

/* --- on its way --- */

static void tick(struct engine *en)
{
	if (!ev_is_active(&engine_pool(en)->booting))
		ev_timer_again(engine_loop(en), &engine_pool(en)->booting);
}

/* Its disks are open. */
static int start_guest(struct shell *s, struct err *e)
{
	struct booted *b = s->booted;
	struct vm *vm = b->vm;
	struct engine *en = vm_engine(vm);
	int rc = *vm_files(vm) ? disks_admit(vm, *vm_files(vm), e) : 0;

	if (rc == 0)
		rc = guest_start(vm, 0, e);
	if (rc == 0) {
		guest_store_restored(vm);
		rc = guest_store_tell_address(vm, e);
	}
	files_drop(vm_files(vm));
	if (rc < 0)
		return rc;
	rc = xen_domain_unpause(engine_xen(en), vm_domid(vm));
	if (rc < 0)
		return err_sys(e, -rc, "unpause domain %u", vm_domid(vm));
	b->runs = true;
	b->until = ev_now(engine_loop(en)) + BOOTED_S;
	tick(en);
	return 0;
}

static void files_are_open(void *arg, struct files *files)
{
	struct shell *s = arg;
	struct err e = {0};

	(void)files;
	if (!s->failed && start_guest(s, &e) < 0)
		shell_failed(s, &e);
}

static int open_disks(struct shell *s, struct err *e)
{
	struct vm *vm = s->booted->vm;
	struct files **files = vm_files(vm);
	int rc;

	if (!devices_have_files(vm_cfg(vm)))
		return start_guest(s, e);
	*files = files_new(engine_opener(vm_engine(vm)));
	if (!*files)
		return err_set(e, ENOMEM, "out of memory");
	rc = devices_add_files(vm_cfg(vm), *files, e);
	if (rc < 0 || !files_open(*files, files_are_open, s))
		return rc;
	return start_guest(s, e);
}

int booted_run(struct engine *en, struct flavor *f, struct shell *s, struct err *e)
{
	struct booted *b = calloc(1, sizeof(*b));
	struct vm *vm = b ? engine_pool(en)->ops->vm_new(en) : NULL;
	struct vm_config *cfg;
	int rc;

	if (!vm) {
		free(b);
		return err_set(e, ENOMEM, "out of memory");
	}
	cfg = vm_change_cfg(vm);
	b->vm = vm;
	b->probe = TCP_PROBE_INIT;
	s->booted = b;
	s->end = end;
	vm_put_domain(vm, &s->dom, s->uuid, &s->slot, s->map); /* all parts of the shell */
	s->map = NULL;
	b->vm_ops = devices_set_ops(vm_devices(vm), &device_ops);
	vm_config_clear(cfg);
	rc = booted_config(en, f, cfg, e);
	memcpy(cfg->uuid, s->uuid, sizeof(cfg->uuid));
	if (rc == 0 && cfg->ndevice)
		rc = devices_admit(en, NULL, cfg, e);
	if (rc == 0)
		rc = reservations_take(vm, e); /* no other shell's any more */
	if (rc == 0)
		rc = open_disks(s, e);
	return rc < 0 ? err_wrap(e, rc, "a copy of snapshot \"%s\"", f->f.from) : 0;
}

static void count_connected(const struct device_info *d, void *arg)
{
	uint32_t *lack = arg;

	*lack += d->state != DEVICE_CONNECTED;
}

static void late(struct shell *s)
{
	const struct booted *b = s->booted;
	const char *when = s->flavor ? s->flavor->f.ready_when : "";
	struct err e = {0};

	if (b->since == 0.)
		(void)err_set(
			&e, ETIMEDOUT,
			"a copy of snapshot \"%s\": its devices are not connected after %.0f s",
			s->flavor ? s->flavor->f.from : "", BOOTED_S);
	else
		(void)err_set(&e, ETIMEDOUT,
			      "a copy of snapshot \"%s\": its guest is not ready (%s) after %.0f s",
			      s->flavor ? s->flavor->f.from : "", when, BOOTED_S);
	shell_failed(s, &e);
}

/* It is ready: pauses it. */
static void pause_ready(struct shell *s)
{
	struct engine *en = s->en;
	struct err e = {0};
	int rc = xen_domain_pause(engine_xen(en), s->dom.domid);

	if (rc < 0) {
		(void)err_sys(&e, -rc, "pause domain %u", s->dom.domid);
		shell_failed(s, &e);
		return;
	}
	tcp_probe_close(&s->booted->probe);
	s->booted->runs = false;
	s->flavor->backoff = 0;
	s->lacks = 0;
	idle_now(engine_idle(en));
}

/* False: there is nothing left to check. */
static bool check_ready(struct shell *s, double now)
{
	struct booted *b = s->booted;
	uint32_t lack = 0;

	if (s->failed || !s->flavor || !b->runs)
		return false;
	vm_for_each_device(b->vm, count_connected, &lack);
	if (!lack && b->since == 0.)
		b->since = now;
	if (!lack && booted_is_ready(&b->probe, &s->flavor->plan, b->vm, b->since, now))
		pause_ready(s);
	else if (now >= b->until + s->flavor->plan.number * 1e-3)
		late(s);
	return b->runs && !s->failed;
}

static void on_look(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct engine *en = t->data;
	bool more = false;

	(void)revents;
	for (struct shell *s = engine_pool(en)->connecting; s; s = s->conn_next)
		if (s->booted)
			more = check_ready(s, ev_now(loop)) || more;
	if (!more)
		ev_timer_stop(loop, t);
}

void booted_open(struct engine *en)
{
	ev_timer_init(&engine_pool(en)->booting, on_look, 0., LOOK_S);
	engine_pool(en)->booting.data = en;
}

void booted_close(struct engine *en)
{
	ev_timer_stop(engine_loop(en), &engine_pool(en)->booting);
}

/* --- a create takes it --- */

struct vm *booted_vm(const struct shell *s)
{
	return s->booted->vm;
}

struct vm *booted_release(struct shell *s)
{
	struct vm *vm = s->booted->vm;

	(void)devices_set_ops(vm_devices(vm), s->booted->vm_ops);
	free_shell(s);
	return vm;
}
