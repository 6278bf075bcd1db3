/* SPDX-License-Identifier: BSD-3-Clause */
/* Devices in a VM's record: fixed parts one after the other, each followed by its path. */
#include "split-toolstack/engine/registry/device_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_BYTES_MAX 4096u

#define READONLY (1u << 0)
#define CDROM	 (1u << 1)
#define DISCARD	 (1u << 2)
#define DHCP	 (1u << 3)
#define USER	 (1u << 4)

struct device_record {
	uint32_t kind, id; /* devid or vdev */
	uint32_t flags;
	uint32_t path_bytes; /* that follow */
	uint64_t size;	     /* vif: bytes per rate_us; vbd: its sectors, 0: not known */
	uint32_t rate_us, mtu;
	uint8_t ipv4[4], ipv4_gateway[4], ipv6[16], ipv6_gateway[16];
	uint8_t ipv4_prefix, ipv6_prefix;
	uint8_t mac[6];
	char bridge[DEVICE_NAME], ifname[DEVICE_NAME];
	char ip_text[sizeof(((struct vif_config *)NULL)->ip_text)];
};

static void put_vif(struct device_record *r, const struct device_config *d)
{
	const struct vif_config *v = &d->u.vif;
	const struct vif_ip *ip = &v->ip;

	r->flags = ip->dhcp ? DHCP : 0;
	r->size = v->rate_bytes;
	r->rate_us = v->rate_us;
	r->mtu = v->mtu;
	memcpy(r->ipv4, ip->ipv4, sizeof(r->ipv4));
	memcpy(r->ipv4_gateway, ip->ipv4_gateway, sizeof(r->ipv4_gateway));
	memcpy(r->ipv6, ip->ipv6, sizeof(r->ipv6));
	memcpy(r->ipv6_gateway, ip->ipv6_gateway, sizeof(r->ipv6_gateway));
	r->ipv4_prefix = ip->ipv4_prefix;
	r->ipv6_prefix = ip->ipv6_prefix;
	memcpy(r->mac, v->mac, sizeof(r->mac));
	memcpy(r->bridge, v->bridge, sizeof(r->bridge));
	memcpy(r->ifname, v->ifname, sizeof(r->ifname));
	memcpy(r->ip_text, v->ip_text, sizeof(r->ip_text));
}

static bool ends(const char *text, size_t room)
{
	return memchr(text, '\0', room) != NULL;
}

static bool get_vif(const struct device_record *r, struct device_config *d)
{
	struct vif_config *v = &d->u.vif;
	struct vif_ip *ip = &v->ip;

	if (!ends(r->bridge, sizeof(r->bridge)) || !ends(r->ifname, sizeof(r->ifname)) ||
	    !ends(r->ip_text, sizeof(r->ip_text)) || r->ipv4_prefix > 32 || r->ipv6_prefix > 128)
		return false;
	v->rate_bytes = r->size;
	v->rate_us = r->rate_us;
	v->mtu = r->mtu;
	ip->dhcp = r->flags & DHCP;
	memcpy(ip->ipv4, r->ipv4, sizeof(ip->ipv4));
	memcpy(ip->ipv4_gateway, r->ipv4_gateway, sizeof(ip->ipv4_gateway));
	memcpy(ip->ipv6, r->ipv6, sizeof(ip->ipv6));
	memcpy(ip->ipv6_gateway, r->ipv6_gateway, sizeof(ip->ipv6_gateway));
	ip->ipv4_prefix = r->ipv4_prefix;
	ip->ipv6_prefix = r->ipv6_prefix;
	memcpy(v->mac, r->mac, sizeof(v->mac));
	memcpy(v->bridge, r->bridge, sizeof(v->bridge));
	memcpy(v->ifname, r->ifname, sizeof(v->ifname));
	memcpy(v->ip_text, r->ip_text, sizeof(v->ip_text));
	return true;
}

/* Behind it: "PEER PATH", of one in a network namespace. */
static const char *vif_path(const struct device_config *d, char text[PATH_BYTES_MAX])
{
	const struct vif_config *v = &d->u.vif;

	if (!v->netns[0])
		return NULL;
	(void)snprintf(text, PATH_BYTES_MAX, "%s %s", v->peer, v->netns);
	return text;
}

static bool set_vif_path(struct device_config *d, const char *text)
{
	struct vif_config *v = &d->u.vif;
	size_t n = strcspn(text, " ");

	if (text[n] != ' ' || n >= sizeof(v->peer) || strlen(text + n + 1) >= sizeof(v->netns))
		return false;
	memcpy(v->peer, text, n);
	v->peer[n] = '\0';
	(void)snprintf(v->netns, sizeof(v->netns), "%s", text + n + 1);
	return true;
}

static void put_vbd(struct device_record *r, const struct device_config *d)
{
	const struct vbd_config *v = &d->u.vbd;

	r->flags =
		(v->readonly ? READONLY : 0) | (v->cdrom ? CDROM : 0) | (v->discard ? DISCARD : 0);
	r->size = v->sectors;
}

static bool get_vbd(const struct device_record *r, struct device_config *d)
{
	d->u.vbd.readonly = r->flags & READONLY;
	d->u.vbd.cdrom = r->flags & CDROM;
	d->u.vbd.discard = r->flags & DISCARD;
	d->u.vbd.sectors = r->size;
	return true;
}

static const char *vbd_path(const struct device_config *d, char text[PATH_BYTES_MAX])
{
	(void)text;
	return d->u.vbd.path;
}

static bool set_vbd_path(struct device_config *d, const char *text)
{
	d->u.vbd.path = strdup(text);
	return d->u.vbd.path;
}

/* A row for each kind. */
static const struct {
	void (*put)(struct device_record *r, const struct device_config *d);
	bool (*get)(const struct device_record *r, struct device_config *d);
	/* Perhaps written to `text`; NULL: it has none. */
	const char *(*path)(const struct device_config *d, char text[PATH_BYTES_MAX]);
	bool (*set_path)(struct device_config *d, const char *text);
} rows[DEVICE_KINDS] = {
	[DEVICE_VIF] = {.put = put_vif, .get = get_vif, .path = vif_path, .set_path = set_vif_path},
	[DEVICE_VBD] = {.put = put_vbd, .get = get_vbd, .path = vbd_path, .set_path = set_vbd_path},
};

size_t device_record_bytes(const struct device_config *d)
{
	char text[PATH_BYTES_MAX];
	const char *path = rows[d->kind].path(d, text);

	return sizeof(struct device_record) + (path ? strlen(path) : 0);
}

uint8_t *device_record_put(uint8_t *to, const struct device_config *d)
{
	char text[PATH_BYTES_MAX];
	const char *path = rows[d->kind].path(d, text);
	struct device_record r = {
		.kind = d->kind, .id = d->devid, .path_bytes = path ? (uint32_t)strlen(path) : 0};

	rows[d->kind].put(&r, d);
	r.flags |= d->backend == BACKEND_USER ? USER : 0;
	memcpy(to, &r, sizeof(r));
	to += sizeof(r);
	if (path)
		memcpy(to, path, r.path_bytes);
	return to + r.path_bytes;
}

bool device_record_get(const uint8_t **at, const uint8_t *end, struct device_config *d)
{
	struct device_record r;

	device_config_init(d, DEVICE_VIF);
	if ((size_t)(end - *at) < sizeof(r))
		return false;
	memcpy(&r, *at, sizeof(r));
	if (r.kind >= DEVICE_KINDS || r.path_bytes > PATH_BYTES_MAX ||
	    r.path_bytes > (size_t)(end - *at) - sizeof(r))
		return false;
	*at += sizeof(r);
	device_config_init(d, (enum device_kind)r.kind);
	d->devid = r.id;
	d->backend = r.flags & USER ? BACKEND_USER : BACKEND_KERNEL;
	if (!rows[r.kind].get(&r, d))
		return false;
	if (r.path_bytes) {
		char *text = strndup((const char *)*at, r.path_bytes);
		bool good = text && rows[r.kind].set_path(d, text);

		free(text);
		if (!good)
			return false;
	}
	*at += r.path_bytes;
	return true;
}

bool cpus_record_get(const uint8_t **at, const uint8_t *end, uint32_t bytes, uint32_t n,
		     struct dom_cpus *c)
{
	size_t all = (size_t)bytes * (n ? n : 1);

	if (all == 0)
		return true;
	if (all > (size_t)(end - *at))
		return false;
	c->map = malloc(all);
	if (!c->map)
		return false;
	memcpy(c->map, *at, all);
	c->bytes = bytes;
	c->n = n;
	*at += all;
	return true;
}
