/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices whose backend is the process chaos-backend: the toolstack's half of the handshake. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend/client.h"
#include "split-toolstack/engine/devices/backend.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/adopt_later.h"

/* --- its number there --- */

/* A process that was found may have devices of the last daemon, so all versions use the same
 * numbers: bits 0 to 31 are the devid, bit 32 the lowest bit of the kind, bits 33 to 48 the domid,
 * and the bits above the rest of the kind. */
#define KIND_SHIFT  32
#define DOMID_SHIFT 33
#define DOMID_BITS  0xffffu
#define REST_SHIFT  49

static uint64_t number_of(const struct device *d)
{
	uint64_t kind = d->key.kind;

	return kind >> 1 << REST_SHIFT | (uint64_t)d->key.domid << DOMID_SHIFT |
	       (kind & 1) << KIND_SHIFT | d->key.devid;
}

struct device *device_user_find(struct engine *en, uint64_t n)
{
	uint64_t kind = n >> REST_SHIFT << 1 | (n >> KIND_SHIFT & 1);

	if (kind >= DEVICE_KINDS)
		return NULL;
	return device_find(en, n >> DOMID_SHIFT & DOMID_BITS, (enum device_kind)kind, (uint32_t)n);
}

/* --- nodes --- */

static void set_state(struct device *d, enum devtree_state s)
{
	char at[DEVTREE_PATH_MAX];

	devtree_back(&d->id, "state", at);
	(void)store_putf(engine_devices(d->en)->host.store, at, "%d", (int)s);
}

uint32_t device_front_u32(const struct device *d, const char *leaf, uint32_t none)
{
	char at[DEVTREE_PATH_MAX];
	uint32_t n = none;

	devtree_front(&d->id, leaf, at);
	return store_get_u32(engine_devices(d->en)->host.store, at, &n) < 0 ? none : n;
}

int device_offer(const struct device *d, const char *leaf, uint64_t value)
{
	char at[DEVTREE_PATH_MAX];

	devtree_back(&d->id, leaf, at);
	return store_putf_quiet(engine_devices(d->en)->host.store, at, "%llu",
				(unsigned long long)value);
}

/* --- attaching --- */

static int attach(struct device *d, bool again, struct err *e)
{
	d->user_state = USER_ATTACHING;
	return d->kind->user_attach(d, user_backend_client(d->en), number_of(d), again, e);
}

/* The rings are those that the frontend has written: loaded once here, and checked there. */
int device_user_attach_now(struct device *d, bool again, struct err *e)
{
	int rc = user_backend_open(d->en, e);

	d->kind->user_rings(d);
	d->rings.port = device_front_u32(d, "event-channel", 0);
	if (rc == 0 && !d->reason[0])
		rc = attach(d, again, e);
	if (rc < 0)
		d->user_state = USER_IDLE;
	user_backend_wants(d->en);
	return rc;
}

static int attach_or_reopen(struct device *d, bool again, struct err *e)
{
	return d->user_fd < 0 ? d->kind->user_reopen(d, again, e)
			      : device_user_attach_now(d, again, e);
}

void device_user_broken(struct device *d, const char *why)
{
	device_broken(d, "%s", why);
	set_state(d, DEVTREE_CLOSED);
}

void device_user_attach(struct device *d, bool again)
{
	struct err e = {0};

	if (attach_or_reopen(d, again, &e) < 0)
		device_user_broken(d, err_msg(&e)); /* which may free it */
}

/* The frontend's state has changed. */
static void on_front(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct device *d = (struct device *)(void *)((char *)h - offsetof(struct device, front));
	const char *leaf = strrchr(path, '/');
	uint32_t state;
	struct err e = {0};

	(void)by;
	if (removed || !leaf || strcmp(leaf, "/state") != 0 || d->reason[0])
		return;
	state = device_front_u32(d, "state", 0);
	if ((state == DEVTREE_INITIALISED || state == DEVTREE_CONNECTED) &&
	    d->user_state == USER_IDLE) {
		device_user_attach(d, false);
	} else if (state == DEVTREE_CLOSING || state == DEVTREE_CLOSED) {
		if (d->user_state == USER_ATTACHED || d->user_state == USER_ATTACHING) {
			d->user_state = USER_DETACHING;
			(void)backend_client_detach(user_backend_client(d->en), number_of(d), &e);
			user_backend_wants(d->en);
		}
		set_state(d, (enum devtree_state)state); /* which may free it */
	} else if (state == DEVTREE_INITIALISING && d->phase < PHASE_CLOSING &&
		   d->user_state == USER_IDLE) { /* it begins again */
		set_state(d, DEVTREE_INIT_WAIT);
	}
}

static int open_device(struct device *d, struct err *e)
{
	int rc = user_backend_open(d->en, e);

	return rc < 0 ? rc : d->kind->user_open(d, e);
}

static int start_handshake(struct device *d, struct err *e)
{
	char front[DEVTREE_PATH_MAX];
	int rc;

	if (d->noxs) {
		rc = attach(d, false, e);
		user_backend_wants(d->en);
		return rc;
	}
	rc = d->kind->user_offer(d);
	devtree_front(&d->id, NULL, front);
	d->front.fn = on_front;
	if (rc == 0)
		rc = store_hook(engine_devices(d->en)->host.store, &d->front, front);
	return rc;
}

static int start(struct device *d, struct err *e)
{
	int rc = start_handshake(d, e);

	if (rc == 0 && d->kind->user_started)
		d->kind->user_started(d);
	device_look(d);
	return rc;
}

static bool front_has_rings(const struct device *d)
{
	uint32_t state = device_front_u32(d, "state", 0);

	return d->noxs || state == DEVTREE_INITIALISED || state == DEVTREE_CONNECTED;
}

static int adopt(struct device *d)
{
	char front[DEVTREE_PATH_MAX];
	struct err e = {0};
	int rc = user_backend_open(d->en, &e);

	if (!d->noxs && !adopt_later(rc)) {
		int hooked;

		devtree_front(&d->id, NULL, front);
		d->front.fn = on_front;
		hooked = store_hook(engine_devices(d->en)->host.store, &d->front, front);
		if (hooked < 0)
			return hooked;
	}
	if (rc == 0 && front_has_rings(d)) {
		if (user_backend_started(d->en)) /* the process went unnoticed */
			rc = attach_or_reopen(d, true, &e);
		else
			d->user_state = USER_ATTACHING; /* or attached: its list shows which */
	}
	if (rc < 0 && !adopt_later(rc))
		device_user_broken(d, err_msg(&e));
	return adopt_later(rc) ? rc : 0;
}

void device_user_orphan(struct device *d)
{
	device_hide(d); /* it may have been the kernel's */
	device_set_backend(d, BACKEND_USER);
	d->user_state = USER_ATTACHED; /* or not: the answer to the detach shows it */
}

static void hide(struct device *d)
{
	store_unhook(engine_devices(d->en)->host.store, &d->front);
}

static enum backend_end stop(struct device *d)
{
	struct err e = {0};

	if (d->user_state == USER_DETACHING)
		return END_TOLD;
	if (d->user_state == USER_IDLE || !user_backend_client(d->en))
		return END_NOW;
	d->user_state = USER_DETACHING;
	if (backend_client_detach(user_backend_client(d->en), number_of(d), &e) < 0)
		return END_NOW;
	user_backend_wants(d->en);
	return END_TOLD;
}

void device_user_attached(struct device *d)
{
	d->user_state = USER_ATTACHED;
	set_state(d, DEVTREE_CONNECTED);
}

void device_user_detached(struct device *d)
{
	d->user_state = USER_IDLE;
	if (d->phase == PHASE_REMOVING)
		device_gone(d);
	else if (!d->noxs && device_front_u32(d, "state", 0) == DEVTREE_INITIALISING)
		set_state(d, DEVTREE_INIT_WAIT); /* it has begun again meanwhile */
}

/* What the process has is known from its list, and not checked here. */
static bool has(const struct device *d)
{
	(void)d;
	return true;
}

static void absent(const struct device *d, char *to, size_t room)
{
	(void)d;
	(void)snprintf(to, room, "chaos-backend is not ready");
}

const struct backend_ops user_backend_ops = {.user = true,
					     .keeps_file = true,
					     .close = user_backend_close,
					     .absent = absent,
					     .open = open_device,
					     .start = start,
					     .adopt = adopt,
					     .hide = hide,
					     .stop = stop,
					     .has = has};
