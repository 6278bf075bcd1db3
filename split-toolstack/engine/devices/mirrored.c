/* SPDX-License-Identifier: BSD-3-Clause */
/* Beside xenstored: copies a device's nodes between our store and xenstored, in both directions. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/mirror.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/vms.h"

/* A guest that writes faster than xenstored accepts is stopped here. */
#define BACKLOG_MAX 4096u

struct walk {
	struct engine *en;
	const char *base;
	bool again; /* the nodes may be there already */
	int rc;
};

static int put_node(struct engine *en, const char *path)
{
	uint32_t len = 0;
	const char *value = store_get(engine_devices(en)->host.store, path, &len);
	int rc;

	rc = value ? mirror_put(engine_devices(en)->mirror, path, value, len)
		   : mirror_rm(engine_devices(en)->mirror, path);
	if (rc < 0)
		log_line(LOG_ERROR, "xenstored: %s: %s", path, strerror(-rc));
	return rc;
}

/* The kernel's backend may have written its state while no daemon followed it. */
static int put_state(struct engine *en, const char *path)
{
	uint32_t len = 0;
	const char *value = store_get(engine_devices(en)->host.store, path, &len);

	return value ? mirror_put_new(engine_devices(en)->mirror, path, value, len) : 0;
}

static void put_child(const char *name, void *arg)
{
	struct walk *w = arg;
	char at[DEVTREE_PATH_MAX + 64];

	if (w->rc < 0 || snprintf(at, sizeof(at), "%s/%s", w->base, name) >= (int)sizeof(at))
		return;
	if (w->again && strcmp(name, "state") == 0)
		w->rc = put_state(w->en, at);
	else
		w->rc = put_node(w->en, at);
}

static int put_all(struct engine *en, const char *base, bool again)
{
	struct walk w = {en, base, again, 0};

	(void)store_children(engine_devices(en)->host.store, base, put_child, &w);
	return w.rc;
}

static void on_front(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct device *d = (struct device *)(void *)((char *)h - offsetof(struct device, front));

	(void)removed;
	if (by == d->key.domid && mirror_backlog(engine_devices(d->en)->mirror) > BACKLOG_MAX) {
		device_broken(d, "its guest writes faster than xenstored takes it");
		return;
	}
	if (!d->reason[0])
		(void)put_node(d->en, path);
}

static void changed(struct device *d, const char *path)
{
	if (d->mirrored && !engine_devices(d->en)->mirror_news)
		(void)put_node(d->en, path);
}

static int copy(struct device *d, bool again)
{
	struct engine *en = d->en;
	char front[DEVTREE_PATH_MAX];
	char back[DEVTREE_PATH_MAX];
	int end;
	int rc;

	devtree_front(&d->id, NULL, front);
	devtree_back(&d->id, NULL, back);
	rc = mirror_begin(engine_devices(en)->mirror);
	if (rc < 0)
		return rc;
	d->mirrored = true;
	rc = put_all(en, front, false);
	if (rc == 0)
		rc = put_all(en, back, again);
	end = mirror_end(
		engine_devices(en)->mirror); /* also of a part of it: then the device goes again */
	if (rc == 0)
		rc = end;
	if (rc == 0)
		rc = mirror_follow(engine_devices(en)->mirror, back);
	d->front.fn = on_front;
	if (rc == 0)
		rc = store_hook(engine_devices(en)->host.store, &d->front, front);
	return rc;
}

static void hide(struct device *d)
{
	struct engine *en = d->en;
	char at[DEVTREE_PATH_MAX];

	store_unhook(engine_devices(en)->host.store, &d->front);
	if (!d->mirrored)
		return;
	d->mirrored = false;
	devtree_back(&d->id, NULL, at);
	(void)mirror_unfollow(engine_devices(en)->mirror, at);
	(void)mirror_rm(engine_devices(en)->mirror, at);
	devtree_front(&d->id, NULL, at);
	(void)mirror_rm(engine_devices(en)->mirror, at);
}

static void stop_again(struct device *d)
{
	char at[DEVTREE_PATH_MAX];

	if (device_id_is_others(d->en, d->key.domid))
		return;
	devtree_back(&d->id, NULL, at);
	(void)mirror_rm(engine_devices(d->en)->mirror, at);
}

static int start(struct device *d, struct err *e)
{
	(void)e;
	return copy(d, false);
}

static int adopt(struct device *d)
{
	return copy(d, true);
}

bool device_unmirror_domain(struct engine *en, uint32_t domid)
{
	char at[DEVTREE_PATH_MAX];
	struct vm *vm = NULL;

	if (!engine_devices(en)->mirror)
		return false;
	vm = vm_by_domid(en, domid);
	for (uint32_t i = 0; i < DEVICE_KINDS; i++) {
		(void)snprintf(at, sizeof(at), "/local/domain/0/backend/%s/%u",
			       device_kind_name((enum device_kind)i), domid);
		(void)mirror_rm(engine_devices(en)->mirror, at);
	}
	(void)snprintf(at, sizeof(at), "/local/domain/%u%s", domid, vm ? "/device" : "");
	(void)mirror_rm(engine_devices(en)->mirror, at);
	return mirror_tell(engine_devices(en)->mirror, domid) == 0;
}

/* A node in xenstored has changed, usually by the kernel's backend. */
static void on_news(void *arg, const char *path, const char *value, uint32_t len, uint64_t done)
{
	struct engine *en = arg;
	struct store *s = engine_devices(en)->host.store;
	const struct device *d;
	uint32_t have_len = 0;
	const char *have;
	const char *rest;
	enum device_kind of;
	char kind[4];
	uint32_t domid;
	uint32_t devid;

	if (engine_devices(en)->host.mirror_news(en, path, value, done))
		return;
	if (!devtree_parse_back(path, kind, &domid, &devid, &rest) || *rest == '\0')
		return;
	d = device_kind_parse(kind, &of) == 0 ? device_find(en, domid, of, devid) : NULL;
	if (!d || !d->mirrored)
		return;
	have = store_get(s, path, &have_len);
	if (!value && !have)
		return;
	if (value && have && have_len == len && memcmp(have, value, len) == 0)
		return;
	engine_devices(en)->mirror_news = true;
	if (value)
		(void)store_put(s, path, value, len);
	else
		(void)store_rm(s, path);
	engine_devices(en)->mirror_news = false;
}

static void on_told(void *arg, uint32_t domid)
{
	devices_left(arg, domid);
}

static int setup(struct engine *en, struct err *e)
{
	int rc = mirror_open(engine_loop(en), on_news, on_told, en, &engine_devices(en)->mirror, e);

	if (rc == 0)
		engine_devices(en)->host.mirror_open(en);
	return rc;
}

static void close_mirror(struct engine *en)
{
	mirror_close(engine_devices(en)->mirror);
	engine_devices(en)->mirror = NULL;
}

static const char *deaf(const struct engine *en)
{
	return mirror_is_dead(engine_devices(en)->mirror) ? "xenstored is gone" : NULL;
}

static int possible(const struct engine *en, struct err *e)
{
	if (!deaf(en))
		return 0;
	return err_set(
		e, ENOTCONN,
		"xenstored has ended, and dom0's backends cannot work without it: restart the "
		"host, or give userspace=1");
}

const struct backend_ops mirrored_backend_ops = {.loops = true,
						 .gates = true,
						 .setup = setup,
						 .close = close_mirror,
						 .possible = possible,
						 .deaf = deaf,
						 .absent = kernel_backend_absent,
						 .start = start,
						 .adopt = adopt,
						 .changed = changed,
						 .seen = kernel_backend_seen,
						 .turn = kernel_backend_turn,
						 .hide = hide,
						 .stop = kernel_backend_stop,
						 .stop_again = stop_again,
						 .has = device_in_kernel,
						 .domain_gone = device_unmirror_domain};
