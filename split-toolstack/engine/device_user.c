/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices whose backend is the process chaos-backend: the toolstack's half of the handshake. */
#include "split-toolstack/engine/device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "backend/blkback.h"
#include "backend/client.h"
#include "backend/netback.h"
#include "split-toolstack/engine/device_backend.h"

/* --- its number there --- */

static uint64_t number_of(const struct device *d)
{
	return ((uint64_t)d->key.domid << 1 | d->key.kind) << 32 | d->key.devid;
}

struct device *device_user_find(struct engine *en, uint64_t n)
{
	enum device_kind kind = n >> 32 & 1 ? DEVICE_VBD : DEVICE_VIF;

	return device_find(en, (uint32_t)(n >> 33), kind, (uint32_t)n);
}

/* --- nodes --- */

static void set_state(struct device *d, enum devtree_state s)
{
	char at[DEVTREE_PATH_MAX];

	devtree_back(&d->id, "state", at);
	(void)store_putf(engine_store(d->en), at, "%d", (int)s);
}

static uint32_t front_u32(const struct device *d, const char *leaf, uint32_t none)
{
	char at[DEVTREE_PATH_MAX];
	uint32_t n = none;

	devtree_front(&d->id, leaf, at);
	return store_get_u32(engine_store(d->en), at, &n) < 0 ? none : n;
}

static int offer(const struct device *d, const char *leaf, uint64_t value)
{
	char at[DEVTREE_PATH_MAX];

	devtree_back(&d->id, leaf, at);
	return store_putf_quiet(engine_store(d->en), at, "%llu", (unsigned long long)value);
}

/* What the backend can do: read by frontends that make the handshake themselves. */
static int offer_all(const struct device *d)
{
	static const char *const vif[] = {"feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6",
					  "feature-ipv6-csum-offload", "feature-rx-copy"};
	int rc = 0;

	if (d->key.kind == DEVICE_VIF) {
		for (size_t i = 0; i < sizeof(vif) / sizeof(vif[0]) && rc == 0; i++)
			rc = offer(d, vif[i], 1);
		return rc < 0 ? rc : offer(d, "feature-rx-flip", 0);
	}
	rc = offer(d, "sectors", d->sectors);
	if (rc == 0)
		rc = offer(d, "sector-size", 512);
	if (rc == 0)
		rc = offer(d, "info",
			   (d->cfg.u.vbd.readonly ? 4u : 0u) | (d->cfg.u.vbd.cdrom ? 1u : 0u));
	if (rc == 0)
		rc = offer(d, "feature-flush-cache", 1);
	if (rc == 0)
		rc = offer(d, "feature-max-indirect-segments", BLK_SEGMENTS);
	if (rc == 0 && d->can_discard && d->cfg.u.vbd.discard)
		rc = offer(d, "feature-discard", 1);
	return rc;
}

/* --- attaching --- */

/* The TAP gives no frames that the guest cannot take. */
static int set_offload(int tap, uint32_t features)
{
	unsigned int f = 0;

	if (features & NET_RX_CSUM) {
		f = TUN_F_CSUM;
		f |= features & NET_RX_SG && features & NET_RX_GSO4 ? TUN_F_TSO4 : 0u;
		f |= features & NET_RX_SG && features & NET_RX_GSO6 ? TUN_F_TSO6 : 0u;
	}
	return ioctl(tap, TUNSETOFFLOAD, f) < 0 ? -errno : 0;
}

/* `again`: another process has served these rings before. */
static int attach(struct device *d, bool again, struct err *e)
{
	struct backend_client *c = user_backend_client(d->en);
	int rc;

	d->user_state = USER_ATTACHING;
	if (d->key.kind == DEVICE_VIF) {
		struct backend_vif m = {.head.id = number_of(d),
					.domid = d->key.domid,
					.remote_port = d->rings.port,
					.tx_ref = d->rings.ring_ref[0],
					.rx_ref = d->rings.ring_ref[1],
					.features = NET_RX_SG | NET_RX_CSUM};

		if (!d->noxs) {
			m.features = front_u32(d, "feature-sg", 0) ? NET_RX_SG : 0;
			m.features |= front_u32(d, "feature-no-csum-offload", 0) ? 0 : NET_RX_CSUM;
			m.features |= front_u32(d, "feature-gso-tcpv4", 0) ? NET_RX_GSO4 : 0;
			m.features |= front_u32(d, "feature-gso-tcpv6", 0) ? NET_RX_GSO6 : 0;
		}
		rc = set_offload(d->user_fd, m.features);
		if (rc < 0)
			return err_sys(e, -rc, "offloads of %s", d->ifname);
		return backend_client_attach_vif(c, &m, d->user_fd, e);
	}
	return backend_client_attach_vbd(
		c,
		&(struct backend_vbd){
			.head.id = number_of(d),
			.domid = d->key.domid,
			.remote_port = d->rings.port,
			.ring_ref = d->rings.ring_ref[0],
			.sectors = d->sectors,
			.flags = (again ? BLK_AGAIN : 0u) |
				 (d->cfg.u.vbd.readonly ? BLK_READ_ONLY : 0u) |
				 (d->can_discard && d->cfg.u.vbd.discard ? BLK_DISCARD : 0u)},
		d->user_fd, e);
}

static int open_files(struct device *d, struct err *e);

/* The rings are what the frontend says: loaded now, checked there, and not again. */
static int user_attach(struct device *d, bool again, struct err *e)
{
	bool vif = d->key.kind == DEVICE_VIF;
	int rc = user_backend_open(d->en, e);

	d->rings.ring_ref[0] = front_u32(d, vif ? "tx-ring-ref" : "ring-ref", 0);
	if (vif)
		d->rings.ring_ref[1] = front_u32(d, "rx-ring-ref", 0);
	d->rings.port = front_u32(d, "event-channel", 0);
	if (rc == 0 && !d->reason[0])
		rc = attach(d, again, e);
	if (rc < 0)
		d->user_state = USER_IDLE;
	user_backend_wants(d->en);
	return rc;
}

static void disk_is_open(struct device *d, struct file *disk)
{
	struct err e = {0};
	int rc;

	if (d->user_state != USER_ATTACHING || d->user_fd >= 0)
		return;
	rc = device_take_disk(d, disk, &e);
	if (rc == 0)
		rc = open_files(d, &e);
	if (rc == 0)
		rc = user_attach(d, d->attach_again, &e);
	if (rc == 0)
		return;
	d->user_state = USER_IDLE;
	device_user_broken(d, err_msg(&e));
}

/* Files that were the last daemon's are opened anew. */
static int reopen(struct device *d, bool again, struct err *e)
{
	int rc;

	if (d->key.kind == DEVICE_VBD) {
		d->user_state = USER_ATTACHING; /* in a moment */
		d->attach_again = again;
		rc = device_open_later(d, FILE_DISK, disk_is_open, e);
		if (rc < 0)
			d->user_state = USER_IDLE;
		return rc;
	}
	rc = open_files(d, e);
	if (rc < 0)
		return rc;
	d->netdev = false; /* a new interface */
	device_link_set(d);
	return user_attach(d, again, e);
}

static int attach_or_reopen(struct device *d, bool again, struct err *e)
{
	return d->user_fd < 0 ? reopen(d, again, e) : user_attach(d, again, e);
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
	state = front_u32(d, "state", 0);
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

static int open_files(struct device *d, struct err *e)
{
	struct link_info i;
	char name[DEVICE_NAME];
	int rc;

	if (d->key.kind == DEVICE_VBD) {
		d->user_fd = d->cfg.u.vbd.fd; /* device_take_disk() has it */
		d->cfg.u.vbd.fd = -1;
		return 0;
	}
	(void)snprintf(name, sizeof(name), "vif%u.%u", d->key.domid, d->key.devid);
	rc = link_tap(name, true, &d->user_fd, e);
	if (rc == 0)
		rc = link_find(d->en->link, name, &i);
	if (rc == 0)
		d->ifindex = i.ifindex;
	memcpy(d->ifname, name, sizeof(d->ifname));
	return rc;
}

static int open_device(struct device *d, struct err *e)
{
	int rc = user_backend_open(d->en, e);

	return rc < 0 ? rc : open_files(d, e);
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
	rc = offer_all(d);
	devtree_front(&d->id, NULL, front);
	d->front.fn = on_front;
	if (rc == 0)
		rc = store_hook(engine_store(d->en), &d->front, front);
	return rc;
}

static int start(struct device *d, struct err *e)
{
	int rc = start_handshake(d, e);

	if (rc == 0 && d->vm && d->key.kind == DEVICE_VIF)
		device_link_set(d);
	device_look(d);
	return rc;
}

static bool front_has_rings(const struct device *d)
{
	uint32_t state = front_u32(d, "state", 0);

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
		hooked = store_hook(engine_store(d->en), &d->front, front);
		if (hooked < 0)
			return hooked;
	}
	if (rc == 0 && front_has_rings(d)) {
		if (user_backend_started(d->en)) /* the process went unnoticed */
			rc = attach_or_reopen(d, true, &e);
		else
			d->user_state = USER_ATTACHING; /* or attached: its list tells */
	}
	if (rc < 0 && !adopt_later(rc))
		device_user_broken(d, err_msg(&e));
	return adopt_later(rc) ? rc : 0;
}

void device_user_orphan(struct device *d)
{
	device_hide(d); /* it may have been the kernel's after all */
	device_set_backend(d, BACKEND_USER);
	d->user_state = USER_ATTACHED; /* or not: it says so when it is asked to detach */
}

static void hide(struct device *d)
{
	store_unhook(engine_store(d->en), &d->front);
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
	else if (!d->noxs && front_u32(d, "state", 0) == DEVTREE_INITIALISING)
		set_state(d, DEVTREE_INIT_WAIT); /* it has begun again meanwhile */
}

/* What the process has is known by its list, and not looked at here. */
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
