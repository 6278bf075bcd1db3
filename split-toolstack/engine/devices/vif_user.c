/* SPDX-License-Identifier: BSD-3-Clause */
/* vifs of chaos-backend: a TAP each. */
#include "split-toolstack/engine/devices/kind.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/if_tun.h>

#include "backend/client.h"
#include "backend/netback.h"
#include "split-toolstack/engine/parts/parts.h"

int vif_user_open(struct device *d, struct err *e)
{
	struct link_info i;
	char name[DEVICE_NAME];
	int rc;

	(void)snprintf(name, sizeof(name), "vif%u.%u", d->key.domid, d->key.devid);
	rc = link_tap(name, true, &d->user_fd, e);
	if (rc == 0)
		rc = link_find(engine_devices(d->en)->link, name, &i);
	if (rc == 0)
		d->ifindex = i.ifindex;
	memcpy(d->ifname, name, sizeof(d->ifname));
	return rc;
}

int vif_user_offer(const struct device *d)
{
	static const char *const on[] = {"feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6",
					 "feature-ipv6-csum-offload", "feature-rx-copy"};
	int rc = 0;

	for (size_t i = 0; i < sizeof(on) / sizeof(on[0]) && rc == 0; i++)
		rc = device_offer(d, on[i], 1);
	return rc < 0 ? rc : device_offer(d, "feature-rx-flip", 0);
}

void vif_user_started(struct device *d)
{
	if (d->vm)
		device_link_set(d);
}

void vif_user_rings(struct device *d)
{
	d->rings.ring_ref[0] = device_front_u32(d, "tx-ring-ref", 0);
	d->rings.ring_ref[1] = device_front_u32(d, "rx-ring-ref", 0);
}

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

int vif_user_attach(struct device *d, struct backend_client *c, uint64_t number, bool again,
		    struct err *e)
{
	struct backend_vif m = {.head.id = number,
				.domid = d->key.domid,
				.remote_port = d->rings.port,
				.tx_ref = d->rings.ring_ref[0],
				.rx_ref = d->rings.ring_ref[1],
				.features = NET_RX_SG | NET_RX_CSUM};
	int rc;

	(void)again; /* what is in flight is lost, as on a wire */
	if (!d->noxs) {
		m.features = device_front_u32(d, "feature-sg", 0) ? NET_RX_SG : 0;
		m.features |= device_front_u32(d, "feature-no-csum-offload", 0) ? 0 : NET_RX_CSUM;
		m.features |= device_front_u32(d, "feature-gso-tcpv4", 0) ? NET_RX_GSO4 : 0;
		m.features |= device_front_u32(d, "feature-gso-tcpv6", 0) ? NET_RX_GSO6 : 0;
	}
	rc = set_offload(d->user_fd, m.features);
	if (rc < 0)
		return err_sys(e, -rc, "set the offloads of %s", d->ifname);
	return backend_client_attach_vif(c, &m, d->user_fd, e);
}

int vif_user_reopen(struct device *d, bool again, struct err *e)
{
	int rc = vif_user_open(d, e);

	if (rc < 0)
		return rc;
	d->netdev = false; /* a new interface */
	device_link_set(d);
	return device_user_attach_now(d, again, e);
}
