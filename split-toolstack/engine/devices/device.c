/* SPDX-License-Identifier: BSD-3-Clause */
/* A device: what it needs in dom0, its nodes, and the states of its backend. */
#include "split-toolstack/engine/devices/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"

/* --- being found --- */

struct device *device_find(struct engine *en, uint32_t domid, enum device_kind kind, uint32_t devid)
{
	struct device_key key = {domid, kind, devid};
	struct device *d = NULL;

	HASH_FIND(hh, engine_devices(en)->all, &key, sizeof(key), d);
	return d;
}

bool device_parse_name(const char *name, const char *first, char second, enum device_kind *kind,
		       uint32_t *domid, uint32_t *devid)
{
	size_t n = strcspn(name, "-0123456789");
	char word[8] = "";
	char *end = NULL;
	unsigned long id;

	if (n >= sizeof(word))
		return false;
	memcpy(word, name, n);
	if (device_kind_parse(word, kind) < 0 || strncmp(name + n, first, strlen(first)) != 0)
		return false;
	name += n + strlen(first);
	id = strtoul(name, &end, 10);
	if (end == name || *end != second || id > UINT32_MAX)
		return false;
	*domid = (uint32_t)id;
	name = end + 1;
	id = strtoul(name, &end, 10);
	*devid = (uint32_t)id;
	return end != name && *end == '\0' && id <= UINT32_MAX;
}

static struct device_domain *domain_of(struct engine *en, uint32_t domid)
{
	struct device_domain *dom = NULL;

	HASH_FIND(hh, engine_devices(en)->domains, &domid, sizeof(domid), dom);
	if (dom)
		return dom;
	dom = calloc(1, sizeof(*dom));
	if (!dom)
		return NULL;
	dom->domid = domid;
	HASH_ADD(hh, engine_devices(en)->domains, domid, sizeof(dom->domid), dom);
	return dom;
}

struct device *device_new(struct engine *en, const struct device_config *cfg, uint32_t domid,
			  struct err *e)
{
	struct device *d = calloc(1, sizeof(*d));

	if (!d || device_config_copy(&d->cfg, cfg) < 0)
		goto fail;
	d->en = en;
	d->key = (struct device_key){domid, cfg->kind, cfg->devid};
	d->id = (struct devtree_id){device_kind_name(cfg->kind), domid, cfg->devid};
	d->kind = engine_devices(en)->kinds[cfg->kind];
	d->backend = engine_devices(en)->backends[cfg->backend];
	d->loop_fd = -1;
	d->user_fd = -1;
	d->dom = domain_of(en, domid);
	if (!d->dom)
		goto fail;
	d->dom->n++;
	HASH_ADD(hh, engine_devices(en)->all, key, sizeof(d->key), d);
	return d;
fail:
	(void)err_set(e, ENOMEM, "out of memory");
	if (d) {
		if (d->dom) {
			d->dom->n++;
			device_domain_put(d->dom, en);
		}
		device_config_clear(&d->cfg);
	}
	free(d);
	return NULL;
}

static void on_timer(struct ev_loop *loop, ev_timer *t, int revents)
{
	struct device *d = t->data;
	struct err e = {0};

	(void)revents;
	ev_timer_stop(loop, t);
	if (d->phase >= PHASE_QUEUED) {
		int rc = err_set(&e, ETIMEDOUT, "%s %u: the kernel has not released it yet",
				 d->id.kind, d->key.devid);

		device_done(d, rc, &e);
		return;
	}
	if (d->phase < PHASE_CLOSING && !d->take_back)
		device_broken(d, "its backend did not come up within %.0f s",
			      d->noxs ? CONNECT_S : ATTACH_S);
	if (d->take_back)
		d->forget(d);
	if (d->take_back || d->phase == PHASE_CLOSING)
		device_remove(d);
}

void device_wait(struct device *d, double seconds)
{
	ev_timer_stop(engine_loop(d->en), &d->timer);
	ev_timer_init(&d->timer, on_timer, seconds, 0.);
	d->timer.data = d;
	ev_timer_start(engine_loop(d->en), &d->timer);
}

void device_done(struct device *d, int rc, const struct err *e)
{
	device_fn *fn = d->done;
	struct device_info info;

	ev_timer_stop(engine_loop(d->en), &d->timer);
	d->done = NULL;
	d->attaching = false;
	if (!fn)
		return;
	device_tell(d, &info);
	fn(d->done_arg, rc, &info, e);
}

void device_tell(const struct device *d, struct device_info *out)
{
	*out = (struct device_info){.config = &d->cfg,
				    .state = DEVICE_WAITING,
				    .ifname = d->ifname,
				    .sectors = d->sectors,
				    .reason = d->reason};
	if (d->phase >= PHASE_CLOSING)
		out->state = DEVICE_DETACHING;
	else if (d->reason[0])
		out->state = DEVICE_BROKEN;
	else if (d->phase == PHASE_CONNECTED)
		out->state = DEVICE_CONNECTED;
}

void device_broken(struct device *d, const char *fmt, ...)
{
	struct err e = {0};
	va_list ap;
	bool failed;

	if (d->reason[0])
		return;
	va_start(ap, fmt);
	(void)vsnprintf(d->reason, sizeof(d->reason), fmt, ap);
	va_end(ap);
	log_line(LOG_WARN, "op=device dom=%u %s=%u: %s", d->key.domid, d->id.kind, d->key.devid,
		 d->reason);
	(void)err_set(&e, EIO, "%s %u of domain %u: %s", d->id.kind, d->key.devid, d->key.domid,
		      d->reason);
	if (d->set)
		d->set->ops->failed(d->set, &e);
	if (d->phase >= PHASE_CLOSING) { /* requests that wait for its end continue to wait; it ends
					    sooner now */
		if (d->phase == PHASE_CLOSING)
			device_wait(d, 0.);
		return;
	}
	failed = d->attaching;
	device_done(d, -EIO, &e);
	if (failed) { /* it can be removed now, but not during this call, because the caller still
			 uses it */
		d->take_back = true;
		device_wait(d, 0.);
	}
}

/* --- starting --- */

/* The state of a VM's device after each change. */
void device_look(struct device *d)
{
	enum devtree_state s = devtree_back_state(engine_devices(d->en)->host.store, &d->id);
	bool ready = !d->kind->is_set_up || d->kind->is_set_up(d);

	if (d->phase == PHASE_CLOSING && s == DEVTREE_CLOSED) {
		device_remove(d);
		return;
	}
	if (d->phase < PHASE_STARTED || d->phase >= PHASE_CLOSING || d->reason[0])
		return;
	/* InitWait is too early: blkback opens its disk when another watch fires. */
	if (s == DEVTREE_CONNECTED && d->loop_fd >= 0) {
		(void)close(d->loop_fd);
		d->loop_fd = -1;
	}
	if (s >= DEVTREE_INIT_WAIT && d->backend->seen)
		d->backend->seen(d);
	if (s == DEVTREE_CONNECTED && ready) {
		bool news = d->phase != PHASE_CONNECTED;

		d->phase = PHASE_CONNECTED;
		if (d->set)
			d->set->ops->changed(d->set, news);
	} else if (s >= DEVTREE_INIT_WAIT && ready && d->phase != PHASE_THERE) {
		d->phase = PHASE_THERE;
		if (d->set)
			d->set->ops->changed(d->set, false);
	}
	if (d->phase == PHASE_CONNECTED || (d->phase == PHASE_THERE && !d->noxs))
		device_done(d, 0, NULL);
}

static void on_back(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct device *d = (struct device *)(void *)((char *)h - offsetof(struct device, back));
	const char *leaf = strrchr(path, '/');

	(void)by;
	if (d->backend->changed)
		d->backend->changed(d, path);
	if (!removed && leaf && strcmp(leaf, "/state") == 0)
		device_look(d);
}

int device_watch(struct device *d)
{
	char at[DEVTREE_PATH_MAX];

	devtree_back(&d->id, NULL, at);
	d->back.fn = on_back;
	return store_hook(engine_devices(d->en)->host.store, &d->back, at);
}

/* --- opening it away from the loop --- */

static void disk_is_open(void *arg, struct files *f)
{
	struct device *d = arg;

	d->files = NULL; /* the device may have others opened now, or go */
	if (d->phase < PHASE_CLOSING)
		d->then(d, files_only(f));
	files_drop(&f);
}

int device_open_later(struct device *d, enum file_use use, device_disk_fn *then, struct err *e)
{
	int rc;

	files_drop(&d->files);
	d->files = files_new(engine_opener(d->en));
	rc = d->files ? files_add_disk(d->files, use, &d->cfg, e)
		      : err_set(e, ENOMEM, "out of memory");
	if (rc < 0) {
		files_drop(&d->files);
		return rc;
	}
	d->then = then;
	if (files_open(d->files, disk_is_open, d))
		disk_is_open(d, d->files);
	return 0;
}

int device_start(struct device *d, struct file *disk, struct err *e)
{
	struct engine *en = d->en;
	int rc = 0;

	if (d->noxs) {
		rc = xen_evtchn_alloc(engine_xen(en), d->key.domid, 0, &d->rings.port);
		if (rc < 0)
			return err_sys(e, -rc, "make the event channel of %s %u", d->id.kind,
				       d->key.devid);
	}
	if (device_file(&d->cfg))
		rc = disk ? d->kind->take_file(d, disk, e)
			  : err_set(e, EIO, "its disk is not open");
	if (rc == 0 && d->backend->open)
		rc = d->backend->open(d, e);
	if (rc < 0)
		return rc;
	d->phase = PHASE_STARTED;
	d->nr = ++engine_devices(en)->started;
	if (d->noxs) /* its backend has all it needs */
		device_wait(d, CONNECT_S);
	if (d->kind->prepare)
		d->kind->prepare(d);
	rc = device_watch(d);
	if (rc == 0)
		rc = d->kind->make_nodes(d);
	if (rc == 0 && d->backend->start)
		rc = d->backend->start(d, e);
	if (rc < 0 && (!e || !e->code))
		(void)err_sys(e, -rc, "make the store nodes of %s %u", d->id.kind, d->key.devid);
	return rc;
}

/* --- its backend --- */

void device_set_backend(struct device *d, enum device_backend b)
{
	d->cfg.backend = b;
	d->backend = engine_devices(d->en)->backends[b];
}

int device_possible(const struct engine *en, enum device_backend b, struct err *e)
{
	const struct backend_ops *ops = engine_devices(en)->backends[b];

	return ops->possible ? ops->possible(en, e) : 0;
}

/* --- the end --- */

void device_hide(struct device *d)
{
	if (d->kind->hide)
		d->kind->hide(d);
	if (d->backend->hide)
		d->backend->hide(d);
}

bool device_in_kernel(const struct device *d)
{
	return kernel_has_backend(d->id.kind, d->key.domid, d->key.devid);
}

bool device_seen(const struct device *d)
{
	return devtree_back_state(engine_devices(d->en)->host.store, &d->id) > DEVTREE_INITIALISING;
}

void device_unbound(struct device *d)
{
	if (device_in_kernel(d)) /* an earlier device with this name is meant */
		return;
	if (d->phase < PHASE_QUEUED && !device_seen(d))
		return;
	device_gone(d);
}

void device_close_files(struct device *d)
{
	files_drop(&d->files);
	d->kind->close_files(d);
}

void device_gone(struct device *d)
{
	struct engine *en = d->en;
	struct device_domain *dom = d->dom;
	struct device_set *set = d->set;
	struct err e = {0};
	int rc = 0;

	if (d->phase != PHASE_MADE && d->phase < PHASE_CLOSING) { /* unbound by hand? */
		rc = err_set(&e, EIO, "%s %u of domain %u: its backend went away", d->id.kind,
			     d->key.devid, d->key.domid);
		log_line(LOG_WARN, "op=device: %s", err_msg(&e));
		if (set)
			set->ops->failed(set, &e);
	}
	store_unhook(engine_devices(en)->host.store, &d->back);
	if (d->phase != PHASE_MADE && d->phase < PHASE_REMOVING) {
		device_hide(d);
		devtree_remove(engine_devices(en)->host.store, &d->id);
	}
	store_unhook(engine_devices(en)->host.store, &d->front);
	devices_forget(d);
	teardown_wait_gone(en, d);
	if (set)
		set->ops->changed(set, false);
	HASH_DELETE(hh, engine_devices(en)->all, d);
	device_close_files(d);
	device_done(d, rc, rc < 0 ? &e : NULL);
	device_config_clear(&d->cfg);
	free(d);
	device_domain_put(dom, en);
	teardown_next(en);
}
