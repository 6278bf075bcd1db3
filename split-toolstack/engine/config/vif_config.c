/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks configurations of vifs, alone and compared with others. */
#include "split-toolstack/engine/config/device_config_ops.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "dom0/link.h"
#include "split-toolstack/engine/config/device_record.h"

bool vif_has_mac(const struct vif_config *v)
{
	static const uint8_t none[6];

	return memcmp(v->mac, none, 6) != 0;
}

struct vif_config *device_first_vif(struct device_config *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (d[i].kind == DEVICE_VIF)
			return &d[i].u.vif;
	return NULL;
}

const struct vif_config *device_first_ipv4(const struct device_config *d, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (d[i].kind == DEVICE_VIF && d[i].u.vif.ip.ipv4_prefix)
			return &d[i].u.vif;
	return NULL;
}

static void init(struct device_config *d)
{
	d->devid = DEVICE_ANY;
}

static void make_own(struct device_config *d)
{
	memset(d->u.vif.mac, 0, sizeof(d->u.vif.mac));
	d->u.vif.ifname[0] = '\0';
}

/* A path, which goes into a record and into lines of text. */
static bool is_path(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p < ' ' || *p == 0x7f)
			return false;
	return text[0] == '/';
}

static int check_netns(const struct device_config *d, struct err *e)
{
	const struct vif_config *v = &d->u.vif;

	if (!v->netns[0])
		return v->peer[0] ? err_set(e, EINVAL,
					    "vif: peer %s needs netns, the network namespace of "
					    "that interface",
					    v->peer)
				  : 0;
	if (!is_path(v->netns))
		return err_set(e, EINVAL,
			       "vif: netns \"%s\": not an absolute path of a network namespace, "
			       "such as /run/netns/NAME",
			       v->netns);
	if (!link_name_valid(v->peer))
		return err_set(e, EINVAL,
			       "vif: netns needs peer, the interface there that the guest replaces "
			       "(peer=eth0)");
	if (v->bridge[0] || v->ifname[0])
		return err_set(e, EINVAL, "vif: netns and %s cannot be combined",
			       v->bridge[0] ? "bridge" : "vifname");
	if (!device_backend_links(d->backend))
		return err_set(e, EOPNOTSUPP,
			       "vif: netns needs the kernel's backend: remove userspace");
	return 0;
}

/* Also checks configurations that were not parsed from text: of a record, or of another
 * program's request. */
static int check(const struct device_config *d, struct err *e)
{
	const struct vif_config *v = &d->u.vif;
	char mac[18];

	if (v->mac[0] & 1) {
		mac_print(v->mac, mac);
		return err_set(e, EINVAL, "vif: mac %s is a multicast address", mac);
	}
	if (v->mtu && (v->mtu < LINK_MTU_MIN || v->mtu > LINK_MTU_MAX))
		return err_set(e, EINVAL, "vif: mtu %u: %u to %u are possible", v->mtu,
			       LINK_MTU_MIN, LINK_MTU_MAX);
	if (v->bridge[0] && !link_name_valid(v->bridge))
		return err_set(e, EINVAL, "vif: bridge \"%s\": not a name for an interface",
			       v->bridge);
	if (v->ifname[0] && !link_name_valid(v->ifname))
		return err_set(e, EINVAL, "vif: vifname \"%s\": not a name for an interface",
			       v->ifname);
	if (d->devid != DEVICE_ANY && d->devid > VIF_DEVID_MAX)
		return err_set(e, EINVAL, "vif: devid %u: 0 to %u are possible", d->devid,
			       VIF_DEVID_MAX);
	return check_netns(d, e);
}

static int check_beside(const struct device_config *d, const struct device_config *other,
			struct err *e)
{
	const struct vif_config *v = &d->u.vif;
	const struct vif_config *o = &other->u.vif;
	char mac[18];

	if (vif_has_mac(v) && memcmp(v->mac, o->mac, 6) == 0) {
		mac_print(v->mac, mac);
		return err_set(e, EEXIST, "vif: mac %s is given twice; leave it out of one", mac);
	}
	if (v->ifname[0] && strcmp(v->ifname, o->ifname) == 0)
		return err_set(e, EEXIST, "vif: vifname \"%s\" is given twice", v->ifname);
	if (v->netns[0] && strcmp(v->netns, o->netns) == 0 && strcmp(v->peer, o->peer) == 0)
		return err_set(e, EEXIST, "vif: peer %s of netns \"%s\" is given twice", v->peer,
			       v->netns);
	if (d->devid != DEVICE_ANY && d->devid == other->devid)
		return err_set(e, EEXIST, "vif: devid %u is taken", d->devid);
	return 0;
}

/* By its number, MAC address, or interface. */
static bool is_named(const struct device_config *d, const char *ifname, const char *name)
{
	uint8_t mac[6];
	char number[16];

	(void)snprintf(number, sizeof(number), "%u", d->devid);
	return strcmp(name, number) == 0 || strcmp(name, ifname) == 0 ||
	       (mac_read(name, mac) == 0 && memcmp(mac, d->u.vif.mac, sizeof(mac)) == 0);
}

/* --- as bytes of a record --- */

#define DHCP (1u << 3)

static void record_put(struct device_record *r, const struct device_config *d)
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

static bool record_get(const struct device_record *r, struct device_config *d)
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
static const char *record_path(const struct device_config *d, char *text)
{
	const struct vif_config *v = &d->u.vif;

	if (!v->netns[0])
		return NULL;
	(void)snprintf(text, DEVICE_PATH_MAX, "%s %s", v->peer, v->netns);
	return text;
}

static bool record_set_path(struct device_config *d, const char *text)
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

const struct device_config_ops vif_config_ops = {.name = "vif",
						 .word = "vif",
						 .list = "network-list",
						 .most = VM_VIFS_MAX,
						 .rings = 2,
						 .init = init,
						 .make_own = make_own,
						 .check = check,
						 .check_beside = check_beside,
						 .is_named = is_named,
						 .record_put = record_put,
						 .record_get = record_get,
						 .record_path = record_path,
						 .record_set_path = record_set_path};
