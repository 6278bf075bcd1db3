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

#include "base/log.h"
#include "noxs/backend/blkback.h"
#include "noxs/backend/client.h"
#include "noxs/backend/netback.h"

#define SOCKET_NAME "backend.sock"

/* --- numbers of devices there --- */

static uint64_t number_of(const struct device *d)
{
	return ((uint64_t)d->key.domid << 1 | d->key.kind) << 32 | d->key.devid;
}

static struct device *by_number(struct engine *en, uint64_t n)
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

static int attach(struct device *d, struct err *e)
{
	struct backend_client *c = d->en->user;
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
			.flags = (d->cfg.u.vbd.readonly ? BLK_READ_ONLY : 0u) |
				 (d->can_discard && d->cfg.u.vbd.discard ? BLK_DISCARD : 0u)},
		d->user_fd, e);
}

static void want_write(struct engine *en)
{
	if (backend_client_wants_write(en->user))
		ev_io_start(en->loop, &en->user_write);
	else
		ev_io_stop(en->loop, &en->user_write);
}

static void attach_or_break(struct device *d)
{
	struct err e = {0};

	if (attach(d, &e) < 0)
		device_broken(d, "%s", err_msg(&e));
	want_write(d->en);
}

static int open_files(struct device *d, struct err *e);

/* The rings are what the frontend says: loaded now, checked there, and not again. Its file can have
 * been the last daemon's. */
static void attach_front(struct device *d)
{
	bool vif = d->key.kind == DEVICE_VIF;
	struct err e = {0};

	d->rings.ring_ref[0] = front_u32(d, vif ? "tx-ring-ref" : "ring-ref", 0);
	if (vif)
		d->rings.ring_ref[1] = front_u32(d, "rx-ring-ref", 0);
	d->rings.port = front_u32(d, "event-channel", 0);
	if (d->user_fd < 0) {
		int rc = vif ? 0 : device_open_disk(d, &e);

		if (rc == 0)
			rc = open_files(d, &e);
		if (rc < 0) {
			device_broken(d, "%s", err_msg(&e));
			return;
		}
		if (vif) /* a new interface */
			device_link_set(d);
	}
	if (!d->reason[0])
		attach_or_break(d);
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
		attach_front(d);
	} else if (state == DEVTREE_CLOSING || state == DEVTREE_CLOSED) {
		set_state(d, (enum devtree_state)state);
		if (d->user_state == USER_ATTACHED || d->user_state == USER_ATTACHING) {
			d->user_state = USER_DETACHING;
			(void)backend_client_detach(d->en->user, number_of(d), &e);
			want_write(d->en);
		}
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
		d->user_fd = d->cfg.u.vbd.fd; /* open_disk() has it */
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

int device_user_open(struct device *d, struct err *e)
{
	int rc = user_backend_open(d->en, e);

	return rc < 0 ? rc : open_files(d, e);
}

int device_user_start(struct device *d, struct err *e)
{
	char front[DEVTREE_PATH_MAX];
	int rc;

	if (d->noxs) {
		rc = attach(d, e);
		want_write(d->en);
		return rc;
	}
	rc = offer_all(d);
	devtree_front(&d->id, NULL, front);
	d->front.fn = on_front;
	if (rc == 0)
		rc = store_hook(engine_store(d->en), &d->front, front);
	return rc;
}

void device_user_adopt(struct device *d)
{
	char front[DEVTREE_PATH_MAX];
	struct err e = {0};
	uint32_t state;
	int rc = user_backend_open(d->en, &e);

	if (rc == 0 && d->en->user_started)
		rc = err_set(&e, EPIPE, "chaos-backend has ended while chaosd did not run");
	if (rc < 0) {
		device_broken(d, "%s", err_msg(&e));
		return;
	}
	state = front_u32(d, "state", 0);
	if (devtree_back_state(engine_store(d->en), &d->id) == DEVTREE_CONNECTED)
		d->user_state = USER_ATTACHED;
	else if (d->noxs || state == DEVTREE_INITIALISED || state == DEVTREE_CONNECTED)
		d->user_state = USER_ATTACHING; /* it may have been asked: its list tells */
	if (d->noxs)
		return;
	devtree_front(&d->id, NULL, front);
	d->front.fn = on_front;
	(void)store_hook(engine_store(d->en), &d->front, front);
}

/* True: the process has to let go first; device_gone() comes then. */
bool device_user_stop(struct device *d)
{
	struct err e = {0};

	store_unhook(engine_store(d->en), &d->front);
	if (d->user_state == USER_DETACHING)
		return true;
	if (d->user_state == USER_IDLE || !d->en->user)
		return false;
	d->user_state = USER_DETACHING;
	if (backend_client_detach(d->en->user, number_of(d), &e) < 0)
		return false;
	want_write(d->en);
	return true;
}

/* --- what the process says --- */

static void on_attached(void *arg, uint64_t id, int err, const char *text, uint64_t sectors)
{
	struct device *d = by_number(arg, id);

	(void)sectors;
	if (!d || d->user_state != USER_ATTACHING)
		return;
	if (err) {
		d->user_state = USER_IDLE;
		device_broken(d, "chaos-backend: %s", text);
		return;
	}
	d->user_state = USER_ATTACHED;
	set_state(d, DEVTREE_CONNECTED);
}

static void on_detached(void *arg, uint64_t id, int err)
{
	struct device *d = by_number(arg, id);

	(void)err;
	if (!d || d->user_state != USER_DETACHING)
		return;
	d->user_state = USER_IDLE;
	if (d->phase == PHASE_REMOVING)
		device_gone(d);
	else if (!d->noxs && front_u32(d, "state", 0) == DEVTREE_INITIALISING)
		set_state(d, DEVTREE_INIT_WAIT); /* it has begun again meanwhile */
}

static void on_broken(void *arg, uint64_t id, int err, const char *text)
{
	struct device *d = by_number(arg, id);

	(void)err;
	if (!d)
		return;
	if (d->user_state == USER_DETACHING)
		return; /* its answer comes */
	d->user_state = USER_IDLE;
	device_broken(d, "%s", text);
	set_state(d, DEVTREE_CLOSED);
}

/* After a restart: what it has. Of a VM that has ended meanwhile it is to let go. */
static void on_device(void *arg, const struct backend_device *has)
{
	struct engine *en = arg;
	struct device *d = by_number(en, has->head.id);

	if (d && device_is_user(d)) { /* else it is what the store has of one that is gone */
		on_attached(arg, has->head.id, 0, "", 0);
		return;
	}
	log_line(LOG_INFO, "op=clean dom=%u: chaos-backend has a device of it", has->domid);
	(void)backend_client_detach(en->user, has->head.id, NULL);
	want_write(en);
}

/* What it was to have, but has never heard of. */
static void on_listed(void *arg)
{
	struct engine *en = arg;
	struct device *d = NULL;
	struct device *tmp;

	HASH_ITER(hh, en->devices, d, tmp)
	{
		if (d->user_state != USER_ATTACHING || d->user_fd >= 0)
			continue;
		d->user_state = USER_IDLE;
		if (!d->reason[0] && d->phase < PHASE_CLOSING)
			attach_front(d);
	}
}

static const struct backend_calls calls = {.attached = on_attached,
					   .detached = on_detached,
					   .broken = on_broken,
					   .device = on_device,
					   .listed = on_listed};

/* All devices it had are gone with it. */
static void lost(struct engine *en, const struct err *why)
{
	struct device *d = NULL;
	struct device *tmp;

	log_line(LOG_ERROR, "chaos-backend: %s: its devices are gone", err_msg(why));
	user_backend_close(en);
	en->removal_busy = true; /* no other one goes inside the walk */
	HASH_ITER(hh, en->devices, d, tmp)
	{
		if (d->user_state == USER_IDLE)
			continue;
		d->user_state = USER_IDLE;
		if (d->phase == PHASE_REMOVING)
			device_gone(d);
		else
			device_broken(d, "chaos-backend has ended");
	}
	en->removal_busy = false;
	removal_next(en);
}

static void on_read(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	struct err e = {0};

	(void)loop;
	(void)revents;
	if (backend_client_read(en->user, &e) < 0)
		lost(en, &e);
}

static void on_write(struct ev_loop *loop, ev_io *io, int revents)
{
	struct engine *en = io->data;
	struct err e = {0};

	(void)loop;
	(void)revents;
	if (backend_client_write(en->user, &e) < 0)
		lost(en, &e);
	else
		want_write(en);
}

int user_backend_open(struct engine *en, struct err *e)
{
	char path[108];
	int rc;

	if (en->user)
		return 0;
	if (snprintf(path, sizeof(path), "%s/" SOCKET_NAME, en->conf.run_dir) >= (int)sizeof(path))
		return err_set(e, ENAMETOOLONG, "run_dir \"%s\": too long", en->conf.run_dir);
	rc = backend_client_open(&en->user, path, en->conf.backend_exe, en->conf.backend_user,
				 &calls, en, &en->user_started, e);
	if (rc < 0)
		return err_wrap(e, rc, "chaos-backend");
	ev_io_init(&en->user_read, on_read, backend_client_fd(en->user), EV_READ);
	ev_io_init(&en->user_write, on_write, backend_client_fd(en->user), EV_WRITE);
	en->user_read.data = en;
	en->user_write.data = en;
	ev_io_start(en->loop, &en->user_read);
	if (!en->user_started) {
		(void)backend_client_list(en->user, NULL);
		want_write(en);
	}
	return 0;
}

void user_backend_close(struct engine *en)
{
	if (!en->user)
		return;
	ev_io_stop(en->loop, &en->user_read);
	ev_io_stop(en->loop, &en->user_write);
	backend_client_close(en->user);
	en->user = NULL;
}
