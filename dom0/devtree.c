/* SPDX-License-Identifier: BSD-3-Clause */
/* Device nodes: those that Linux' xen-netback and xen-blkback read, and those that old and new
 * frontends expect. */
#include "dom0/devtree.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mac.h"

static void path(char out[DEVTREE_PATH_MAX], const char *leaf, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void path(char out[DEVTREE_PATH_MAX], const char *leaf, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(out, DEVTREE_PATH_MAX, fmt, ap);
	va_end(ap);
	if (leaf && n > 0)
		(void)snprintf(out + n, DEVTREE_PATH_MAX - (size_t)n, "/%s", leaf);
}

void devtree_front(const struct devtree_id *id, const char *leaf, char out[DEVTREE_PATH_MAX])
{
	path(out, leaf, "/local/domain/%u/device/%s/%u", id->domid, id->kind, id->devid);
}

void devtree_back(const struct devtree_id *id, const char *leaf, char out[DEVTREE_PATH_MAX])
{
	path(out, leaf, "/local/domain/0/backend/%s/%u/%u", id->kind, id->domid, id->devid);
}

static bool number(const char **p, uint32_t *out)
{
	char *end = NULL;
	unsigned long n;

	if (**p < '0' || **p > '9')
		return false;
	n = strtoul(*p, &end, 10);
	*p = end;
	*out = (uint32_t)n;
	return n <= UINT32_MAX;
}

bool devtree_parse_back(const char *p, char kind[4], uint32_t *domid, uint32_t *devid,
			const char **rest)
{
	static const char base[] = "/local/domain/0/backend/";

	if (strncmp(p, base, sizeof(base) - 1) != 0)
		return false;
	p += sizeof(base) - 1;
	if (strncmp(p, "vif/", 4) != 0 && strncmp(p, "vbd/", 4) != 0)
		return false;
	memcpy(kind, p, 3);
	kind[3] = '\0';
	p += 4;
	if (!number(&p, domid) || *p++ != '/' || !number(&p, devid) || (*p != '/' && *p != '\0'))
		return false;
	*rest = p;
	return true;
}

/* --- making --- */

/* One side while it is being made; the first failure is kept. */
struct side {
	struct store *s;
	char base[DEVTREE_PATH_MAX];
	int rc;
};

static void put(struct side *d, const char *leaf, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void put(struct side *d, const char *leaf, const char *fmt, ...)
{
	char at[DEVTREE_PATH_MAX + 32];
	char text[512];
	va_list ap;

	if (d->rc < 0)
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(void)snprintf(at, sizeof(at), "%s/%s", d->base, leaf);
	d->rc = store_putf_quiet(d->s, at, "%s", text);
}

/* The directory is made first, so that nodes in it inherit its permissions. */
static void open_side(struct side *d, struct store *s, uint32_t owner, uint32_t reader)
{
	const struct store_perm perms[2] = {{owner, STORE_NONE}, {reader, STORE_READ}};

	d->s = s;
	d->rc = store_putf_quiet(s, d->base, "%s", "");
	if (d->rc == 0)
		d->rc = store_set_perms(s, d->base, perms, 2);
}

static void begin(struct side *front, struct side *back, struct store *s,
		  const struct devtree_id *id)
{
	devtree_front(id, NULL, front->base);
	devtree_back(id, NULL, back->base);
	open_side(front, s, id->domid, 0);
	open_side(back, s, 0, id->domid);
	put(front, "backend", "%s", back->base);
	put(front, "backend-id", "0");
	put(back, "frontend", "%s", front->base);
	put(back, "frontend-id", "%u", id->domid);
}

/* Now the watches of these directories fire: a running guest sees its new device, and a backend
 * in dom0 its new node. */
static int finish(struct side *front, struct side *back, const struct devtree_rings *rings,
		  uint32_t front_state, bool user)
{
	char at[DEVTREE_PATH_MAX + 32];

	put(back, "state", "%d", user ? DEVTREE_INIT_WAIT : DEVTREE_INITIALISING);
	put(front, "state", "%u", rings ? front_state : DEVTREE_INITIALISING);
	if (front->rc < 0 || back->rc < 0)
		return front->rc < 0 ? front->rc : back->rc;
	(void)snprintf(at, sizeof(at), "%s/online", back->base);
	back->rc = user ? store_putf_quiet(back->s, at, "1") : store_putf(back->s, at, "1");
	(void)snprintf(at, sizeof(at), "%s/state", front->base);
	store_fire(front->s, at);
	return back->rc;
}

int devtree_make_console(struct store *s, const struct devtree_id *id)
{
	struct side front, back;

	begin(&front, &back, s, id);
	put(&back, "online", "1");
	put(&back, "state", "%d", DEVTREE_INITIALISING);
	put(&front, "state", "%d", DEVTREE_INITIALISING);
	return front.rc < 0 ? front.rc : back.rc;
}

void devtree_bind_vif(struct store *s, const struct devtree_vif *v)
{
	struct side front = {.s = s};
	struct side back = {.s = s};
	char at[DEVTREE_PATH_MAX];
	char mac[18];

	devtree_front(&v->id, NULL, front.base);
	devtree_back(&v->id, NULL, back.base);
	mac_print(v->mac, mac);
	put(&front, "mac", "%s", mac);
	put(&back, "mac", "%s", mac);
	if (*v->bridge)
		put(&back, "bridge", "%s", v->bridge);
	if (*v->ip)
		put(&back, "ip", "%s", v->ip);
	if (*v->ifname)
		put(&back, "vifname", "%s", v->ifname);
	devtree_back(&v->id, "rate", at);
	if (v->rate_bytes)
		(void)store_putf(s, at, "%llu,%u", (unsigned long long)v->rate_bytes, v->rate_us);
}

int devtree_make_vif(struct store *s, const struct devtree_vif *v)
{
	struct side front;
	struct side back;
	char mac[18];

	begin(&front, &back, s, &v->id);
	mac_print(v->mac, mac);
	put(&front, "handle", "%u", v->id.devid);
	put(&front, "mac", "%s", mac);
	if (v->mtu) {
		put(&front, "mtu", "%u", v->mtu);
		put(&back, "mtu", "%u", v->mtu);
	}
	if (v->rings) {
		put(&front, "tx-ring-ref", "%u", v->rings->ring_ref[0]);
		put(&front, "rx-ring-ref", "%u", v->rings->ring_ref[1]);
		put(&front, "event-channel", "%u", v->rings->port);
		put(&front, "request-rx-copy", "1");
		/* No feature-rx-notify: with it, xen-netback believes that its thread has work
		 * as long as that thread has never run. Then the thread must acknowledge the
		 * first event of the channel, which Xen raises when the channel is bound. If the
		 * thread does that before the interrupt's number is stored, the channel stays
		 * masked forever (Linux 6.1, xenvif_connect_data()). Without the feature, frames
		 * wait 30 ms for buffers of the guest instead of 10 s, and the link stays up
		 * when the guest gives no buffers for a minute. */
		put(&front, "feature-sg", "1");
		put(&front, "feature-ipv6-csum-offload", "1");
		put(&back, "hotplug-status", "connected");
	}
	put(&back, "script", "/bin/true");
	put(&back, "mac", "%s", mac);
	if (*v->ip)
		put(&back, "ip", "%s", v->ip);
	if (*v->bridge)
		put(&back, "bridge", "%s", v->bridge);
	if (*v->ifname)
		put(&back, "vifname", "%s", v->ifname);
	if (v->rate_bytes)
		put(&back, "rate", "%llu,%u", (unsigned long long)v->rate_bytes, v->rate_us);
	put(&back, "handle", "%u", v->id.devid);
	put(&back, "type", "vif");
	return finish(&front, &back, v->rings, DEVTREE_CONNECTED, v->user);
}

int devtree_make_vbd(struct store *s, const struct devtree_vbd *v)
{
	const char *type = v->cdrom ? "cdrom" : "disk";
	struct side front;
	struct side back;

	begin(&front, &back, s, &v->id);
	put(&front, "virtual-device", "%u", v->id.devid);
	put(&front, "device-type", "%s", type);
	if (v->rings) {
		put(&front, "ring-ref", "%u", v->rings->ring_ref[0]);
		put(&front, "event-channel", "%u", v->rings->port);
		put(&front, "protocol", "x86_64-abi");
		put(&front, "feature-persistent", "0");
	}
	put(&back, "params", "%s", v->params);
	put(&back, "removable", "%d", v->cdrom);
	put(&back, "bootable", "1");
	put(&back, "dev", "%s", v->dev);
	put(&back, "type", "phy");
	put(&back, "mode", "%s", v->readonly ? "r" : "w");
	put(&back, "device-type", "%s", type);
	put(&back, "discard-enable", "%d", v->discard);
	if (!v->user) {
		put(&back, "physical-device", "%x:%x", v->major, v->minor);
		put(&back, "hotplug-status", "connected");
	}
	return finish(&front, &back, v->rings, DEVTREE_INITIALISED, v->user);
}

/* --- afterwards --- */

enum devtree_state devtree_back_state(struct store *s, const struct devtree_id *id)
{
	char at[DEVTREE_PATH_MAX];
	uint32_t n = 0;

	devtree_back(id, "state", at);
	if (store_get_u32(s, at, &n) < 0 || n > DEVTREE_CLOSED)
		return DEVTREE_UNKNOWN;
	return (enum devtree_state)n;
}

int devtree_close(struct store *s, const struct devtree_id *id)
{
	char at[DEVTREE_PATH_MAX];
	int rc;

	devtree_back(id, "online", at);
	rc = store_putf(s, at, "0");
	devtree_back(id, "state", at);
	return rc < 0 ? rc : store_putf(s, at, "%d", DEVTREE_CLOSING);
}

void devtree_remove(struct store *s, const struct devtree_id *id)
{
	char at[DEVTREE_PATH_MAX];

	devtree_front(id, NULL, at);
	(void)store_rm(s, at);
	devtree_back(id, NULL, at);
	(void)store_rm(s, at);
}
