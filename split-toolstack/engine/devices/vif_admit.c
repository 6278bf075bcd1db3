/* SPDX-License-Identifier: BSD-3-Clause */
/* Checks whether a VM may have a vif: numbers and MACs, its bridge, and resources that only it
 * may use. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/mac.h"
#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/kind.h"
#include "split-toolstack/engine/devices/reservations.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/vm/parts.h"

/* --- what a configuration leaves open --- */

/* With `domid` not one that is on its way out either. */
static uint32_t free_devid(const struct vm *vm, uint32_t domid)
{
	for (uint32_t id = 0;; id++) {
		bool taken = domid && device_find(vm_engine(vm), domid, DEVICE_VIF, id);

		for (uint32_t i = 0; i < vm_cfg(vm)->ndevice && !taken; i++)
			taken = vm_cfg(vm)->device[i].kind == DEVICE_VIF &&
				vm_cfg(vm)->device[i].devid == id;
		if (!taken)
			return id;
	}
}

/* In Xen's own range; the same for every start of the VM, and `more` ones behind that. */
void vif_make_mac(uint8_t mac[6], const uint8_t uuid[16], uint32_t devid, uint32_t more)
{
	uint32_t h = (table_hash(uuid, 16) ^ devid * 0x9e3779b1u) + more;

	mac[0] = 0x00;
	mac[1] = 0x16;
	mac[2] = 0x3e;
	mac[3] = (uint8_t)(h >> 16 & 0x7f);
	mac[4] = (uint8_t)(h >> 8);
	mac[5] = (uint8_t)h;
}

/* Of its own, not claimed yet. */
static bool has_such(const struct vm *vm, const struct vif_config *v)
{
	bool has = false;

	for (uint32_t i = 0; i < vm_cfg(vm)->ndevice; i++) {
		const struct device_config *o = &vm_cfg(vm)->device[i];

		has = has || (o->kind == DEVICE_VIF && &o->u.vif != v &&
			      memcmp(o->u.vif.mac, v->mac, sizeof(v->mac)) == 0);
	}
	return has;
}

/* Generates a MAC that no VM of this host has: with 23 bits, two are equal sooner or later. */
static void choose_mac(const struct vm *vm, struct device_config *d)
{
	struct vif_config *v = &d->u.vif;
	uint32_t more = 0;

	do
		vif_make_mac(v->mac, vm_uuid_bytes(vm), d->devid, more++);
	while (reservations_has(vm_engine(vm), RESERVED_MAC, v->mac, sizeof(v->mac)) ||
	       has_such(vm, v));
}

void vif_number(struct vm *vm, struct device_config *d, bool also_leaving)
{
	if (d->devid == DEVICE_ANY)
		d->devid = free_devid(vm, also_leaving ? vm_domid(vm) : 0);
	if (d->u.vif.netns[0])
		vif_netns_foresee(&d->u.vif);
	if (!vif_has_mac(&d->u.vif))
		choose_mac(vm, d);
}

/* --- what is no other VM's --- */

#define PEER_TEXT (VIF_NETNS_MAX + DEVICE_NAME + 1)

static size_t text_of_peer(const struct vif_config *v, char text[PEER_TEXT])
{
	return (size_t)snprintf(text, PEER_TEXT, "%s %s", v->peer, v->netns);
}

/* In a network namespace it has the MAC of its peer, which is not one of ours. */
static bool claims_mac(const struct vif_config *v)
{
	return vif_has_mac(v) && !v->netns[0];
}

static int check_claims(struct engine *en, const struct vm *self, const struct vif_config *v,
			struct err *e)
{
	const struct vm *has = NULL;
	char peer[PEER_TEXT];
	char text[18];

	if (claims_mac(v))
		has = reservations_holder(en, self, RESERVED_MAC, v->mac, sizeof(v->mac), true);
	if (has) {
		mac_print(v->mac, text);
		return err_set(e, EEXIST, "vif: mac %s: is taken by \"%s\"", text, vm_name(has));
	}
	if (v->netns[0])
		has = reservations_holder(en, self, RESERVED_PEER, peer, text_of_peer(v, peer),
					  true);
	if (has)
		return err_set(e, EEXIST, "vif: peer %s of netns \"%s\": is taken by \"%s\"",
			       v->peer, v->netns, vm_name(has));
	if (v->ifname[0])
		has = reservations_holder(en, self, RESERVED_NAME, v->ifname, strlen(v->ifname),
					  true);
	if (has)
		return err_set(e, EEXIST, "vif: vifname \"%s\": is taken by \"%s\"", v->ifname,
			       vm_name(has));
	return 0;
}

int vif_reserve(struct vm *vm, const struct device_config *d)
{
	const struct vif_config *v = &d->u.vif;
	char peer[PEER_TEXT];
	int rc = 0;

	/* The vif of a preserved VM does not send, so its successor may have the same MAC. */
	if (claims_mac(v) && vm_state(vm) != VM_ENDED_PRESERVED)
		rc = reservations_add(vm, RESERVED_MAC, v->mac, sizeof(v->mac), true);
	if (rc == 0 && v->ifname[0])
		rc = reservations_add(vm, RESERVED_NAME, v->ifname, strlen(v->ifname), true);
	if (rc == 0 && v->netns[0])
		rc = reservations_add(vm, RESERVED_PEER, peer, text_of_peer(v, peer), true);
	if (rc == 0 && v->ip.ipv4_prefix)
		rc = reservations_add(vm, RESERVED_IPV4, v->ip.ipv4, sizeof(v->ip.ipv4), false);
	return rc;
}

/* --- what must be in dom0 --- */

/* A request to the kernel takes 40 us, and nearly all VMs of a host use the same few bridges. */
static bool is_known(const struct engine *en, const char *bridge)
{
	for (uint32_t i = 0; i < engine_devices(en)->nbridge; i++)
		if (strcmp(engine_devices(en)->bridge[i], bridge) == 0)
			return true;
	return false;
}

static void remember_bridge(struct engine *en, const char *bridge)
{
	if (engine_devices(en)->nbridge < BRIDGES_KNOWN)
		(void)snprintf(engine_devices(en)->bridge[engine_devices(en)->nbridge++],
			       sizeof(engine_devices(en)->bridge[0]), "%s", bridge);
}

static int check_bridge(struct engine *en, const char *bridge, struct err *e)
{
	struct link_info i;
	int rc;

	if (is_known(en, bridge))
		return 0;
	rc = link_find(engine_devices(en)->link, bridge, &i);
	if (rc == -ENODEV)
		return err_set(
			e, ENODEV,
			"vif: there is no bridge \"%s\"; make it, or name another with bridge=",
			bridge);
	if (rc < 0)
		return err_sys(e, -rc, "vif: look for bridge \"%s\"", bridge);
	if (!i.is_bridge)
		return err_set(e, EINVAL, "vif: \"%s\" is an interface, but not a bridge", bridge);
	remember_bridge(en, bridge);
	return 0;
}

/* vif<domid>.<devid>: what interfaces get when no other name is given. */
static bool is_default_name(const char *name)
{
	size_t first;
	size_t second;

	if (strncmp(name, "vif", 3) != 0)
		return false;
	name += 3;
	first = strspn(name, "0123456789");
	if (first == 0 || name[first] != '.')
		return false;
	name += first + 1;
	second = strspn(name, "0123456789");
	return second > 0 && name[second] == '\0';
}

static bool ifname_is_leaving(struct engine *en, const char *name)
{
	struct device *d = NULL;
	struct device *tmp;
	bool leaving = false;

	HASH_ITER(hh, engine_devices(en)->all, d, tmp)
	{
		bool it_is = strcmp(d->ifname, name) == 0;

		if (d->key.kind != DEVICE_VIF || (!it_is && d->ifname[0]))
			continue;
		if (it_is && d->phase < PHASE_CLOSING)
			return false;
		leaving = leaving || d->phase >= PHASE_CLOSING;
	}
	return leaving;
}

static int check_ifname(struct engine *en, const char *name, struct err *e)
{
	struct link_info i;

	if (is_default_name(name))
		return err_set(e, EINVAL,
			       "vif: vifname \"%s\": looks like a name that interfaces of "
			       "VMs get by default; choose another",
			       name);
	if (link_find(engine_devices(en)->link, name, &i) < 0)
		return 0;
	(void)err_set(e, EEXIST, "vif: vifname \"%s\": an interface has that name already", name);
	return ifname_is_leaving(en, name) ? -EAGAIN : -EEXIST;
}

int vif_admit(struct engine *en, const struct vm *self, const struct device_config *d,
	      struct err *e)
{
	const struct vif_config *v = &d->u.vif;
	int rc = check_claims(en, self, v, e);

	if (rc == 0 && v->netns[0])
		rc = vif_netns_admit(en, self, v, e);
	if (rc == 0 && v->bridge[0])
		rc = check_bridge(en, v->bridge, e);
	if (rc == 0 && v->ifname[0])
		rc = check_ifname(en, v->ifname, e);
	return rc;
}
