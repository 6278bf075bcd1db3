/* SPDX-License-Identifier: BSD-3-Clause */
/* Shells with devices: they enter the pool when their vifs are connected. */
#include <errno.h>
#include <string.h>

#include <utlist.h>

#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/pool/pool-t.h"

/* One kernel thread connects all vifs, in order; more at once would only wait longer. */
#define CONNECTING_MAX 4u

int flavor_check_devices(struct engine *en, const struct pool_flavor *f, struct err *e)
{
	if ((f->vifs || f->vbds) && device_possible(en, f->backend, e) < 0)
		return err_wrap(e, -e->code, "pool");
	if (f->vifs > VM_VIFS_MAX || f->vbds > VM_VBDS_MAX)
		return err_set(e, EINVAL, "pool: at most %u vifs and %u vbds are possible",
			       VM_VIFS_MAX, VM_VBDS_MAX);
	if ((f->vifs || f->vbds) && f->for_linux)
		return err_set(e, EINVAL,
			       "pool: leave out vifs and vbds: Linux connects its devices itself, "
			       "and its shells fit any number");
	if (f->bridge[0] && f->vifs == 0)
		return err_set(e, EINVAL, "pool: bridge \"%s\": give vifs, too", f->bridge);
	if (f->bridge[0] && !devices_have_bridge(en, f->bridge))
		return err_set(e, ENODEV, "pool: bridge \"%s\": there is no such bridge",
			       f->bridge);
	return 0;
}

bool flavor_same_devices(const struct pool_flavor *a, const struct pool_flavor *b)
{
	return a->vifs == b->vifs && a->vbds == b->vbds && a->backend == b->backend &&
	       strcmp(a->bridge, b->bridge) == 0;
}

bool flavor_fits_devices(const struct engine *en, const struct pool_flavor *f,
			 const struct shell_want *want)
{
	if (!want->saved && !image_info(want->img)->direct) /* connects them itself */
		return f->vifs == 0 && f->vbds == 0;
	return devices_fit_flavor(en, f, want->cfg);
}

/* --- on their way into the pool --- */

bool pool_may_connect(const struct engine *en)
{
	return engine_pool(en)->nconnecting < CONNECTING_MAX;
}

static void into_pool(struct shell *s)
{
	struct engine *en = s->en;
	struct flavor *f = s->flavor;

	DL_DELETE2(engine_pool(en)->connecting, s, conn_prev, conn_next);
	s->conn_prev = NULL;
	engine_pool(en)->nconnecting--;
	if (f)
		f->connecting--;
	if (!f || s->failed || f->f.ready >= f->f.target) {
		shell_end(en, s);
		return;
	}
	flavor_add_shell(f, s);
}

/* Handles those that are complete, or will never be. Not called during a device's own callback. */
void pool_reap(struct engine *en)
{
	struct shell *s;
	struct shell *tmp;

	DL_FOREACH_SAFE2(engine_pool(en)->connecting, s, tmp, conn_next)
	if (s->failed || s->lacks == 0 || !s->flavor)
		into_pool(s);
}

static struct shell *shell_of(struct device_set *s)
{
	return (struct shell *)(void *)((char *)s - offsetof(struct shell, devices));
}

static void device_changed(struct device_set *set, bool connected)
{
	struct shell *s = shell_of(set);

	if (connected && s->lacks && --s->lacks == 0)
		idle_now(engine_idle(s->en));
}

void shell_failed(struct shell *s, const struct err *e)
{
	struct engine *en = s->en;
	struct flavor *f = s->flavor;

	if (s->failed)
		return;
	if (f && e)
		flavor_back_off(f, e);
	s->failed = true;
	if (f && !s->conn_prev) { /* from the pool: no claim gets it any more */
		LL_DELETE(f->shells, s);
		f->f.ready--;
		f->connecting++;
		engine_pool(en)->nconnecting++;
		DL_APPEND2(engine_pool(en)->connecting, s, conn_prev, conn_next);
	}
	idle_now(engine_idle(en));
}

static void device_failed(struct device_set *s, const struct err *e)
{
	shell_failed(shell_of(s), e);
}

static const struct device_set_ops device_ops = {.changed = device_changed,
						 .failed = device_failed};

void shell_connect(struct engine *en, struct flavor *f, struct shell *s)
{
	struct err err = {0};

	s->en = en;
	s->flavor = f;
	(void)devices_set_ops(&s->devices, &device_ops);
	s->lacks = f->f.vifs + (s->comes || s->booted);
	f->connecting++;
	engine_pool(en)->nconnecting++;
	DL_APPEND2(engine_pool(en)->connecting, s, conn_prev, conn_next);
	if (f->f.vifs && devices_start_shell(en, &s->devices, &f->f, &s->dom, &err) < 0)
		shell_failed(s, &err);
}

void pool_connecting_drop(struct engine *en)
{
	for (struct shell *s = engine_pool(en)->connecting; s; s = s->conn_next)
		s->failed = true;
	pool_reap(en);
}

void pool_connecting_ends(struct engine *en, const struct flavor *f)
{
	struct shell *s;

	DL_FOREACH2(engine_pool(en)->connecting, s, conn_next)
	if (s->flavor == f)
		s->flavor = NULL;
	pool_reap(en);
}

uint64_t pool_connecting_kib(const struct engine *en)
{
	uint64_t kib = 0;

	for (const struct shell *s = engine_pool(en)->connecting; s; s = s->conn_next)
		kib += s->dom.pages * 4;
	return kib;
}

bool pool_connects(const struct engine *en, uint32_t domid)
{
	const struct shell *s;

	DL_FOREACH2(engine_pool(en)->connecting, s, conn_next)
	if (s->dom.domid == domid)
		return true;
	return false;
}
