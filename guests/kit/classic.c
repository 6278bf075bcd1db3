/* SPDX-License-Identifier: BSD-3-Clause */
/* Connects devices like older unikernels: nodes in the store, states 1 to 6, one event channel
 * for each device, settings from the backend's nodes (Xen public/io/xenbus.h, netif.h, blkif.h). */
#include "classic.h"

#include <xen/event_channel.h>
#include <xen/io/xenbus.h>
#include <xen/sched.h>

#include "hypercall.h"

#define PATIENCE_NS 60000000000ull
#define LOOK_NS	    1000000000ull
#define TRIES	    16

static char *join(char *to, size_t size, const char *folder, const char *name)
{
	size_t at = 0;

	for (; *folder && at + 1 < size; folder++)
		to[at++] = *folder;
	if (at + 1 < size)
		to[at++] = '/';
	for (; *name && at + 1 < size; name++)
		to[at++] = *name;
	to[at] = '\0';
	return to;
}

static uint64_t number_of(const char *folder, const char *name, uint64_t none)
{
	char path[192];
	char value[32];

	if (kit_store_read(0, join(path, sizeof(path), folder, name), value, sizeof(value)) < 0)
		return none;
	return classic_number(value, none);
}

static int write_text(uint32_t tx, const char *folder, const char *name, const char *value)
{
	char path[192];

	return kit_store_write(tx, join(path, sizeof(path), folder, name), value);
}

static void print_to(char *to, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)kit_format(to, size, fmt, ap);
	va_end(ap);
}

static int write_number(uint32_t tx, const char *folder, const char *name, uint64_t value)
{
	char text[24];

	print_to(text, sizeof(text), "%lu", value);
	return write_text(tx, folder, name, text);
}

static void set_state(const struct kit_device *d, enum xenbus_state state)
{
	(void)write_number(0, d->path, "state", state);
}

#define WAITS (1u << XenbusStateInitWait | 1u << XenbusStateConnected)
#define ENDS  (1u << XenbusStateClosing | 1u << XenbusStateClosed)

/* Waits until the backend's state is one of `states` (one bit each), and returns it; 0 if one of
 * `ends` comes first, the node is removed, or nothing happens. */
static uint32_t await(const struct kit_device *d, uint32_t states, uint32_t ends)
{
	uint64_t until = kit_time_ns() + PATIENCE_NS;
	uint32_t found = 0;
	char path[192];

	join(path, sizeof(path), d->remote, "state");
	if (kit_store_watch(path, "state") < 0)
		return 0;
	while (!found && kit_time_ns() < until) {
		uint64_t state = number_of(d->remote, "state", 0);

		if (state < 9 && (states >> state & 1))
			found = (uint32_t)state;
		else if (state == 0 || (state < 9 && (ends >> state & 1)))
			break;
		else if (!kit_store_fired())
			kit_wait_port(kit.store_port, LOOK_NS);
	}
	(void)kit_store_unwatch(path, "state");
	return found;
}

/* The frontend's node: the index-th below device/vif or device/vbd. */
static bool find(struct kit_device *d)
{
	const char *folder = d->type == NOXS_DEV_VIF ? "device/vif" : "device/vbd";
	char names[512];
	int len = kit_store_list(folder, names, sizeof(names));
	char text[32];
	char path[96];

	for (int at = 0, i = 0; at < len; at += (int)strlen(names + at) + 1, i++) {
		if (i != d->index)
			continue;
		join(d->path, sizeof(d->path), folder, names + at);
		d->vbd.vdev = (uint32_t)classic_number(names + at, 0);
		d->backend = (domid_t)number_of(d->path, "backend-id", 0);
		if (kit_store_read(0, join(path, sizeof(path), d->path, "backend"), d->remote,
				   sizeof(d->remote)) <= 0)
			return false;
		if (d->type == NOXS_DEV_VBD)
			return true;
		return kit_store_read(0, join(path, sizeof(path), d->path, "mac"), text,
				      sizeof(text)) > 0 &&
		       classic_mac(text, d->vif.mac);
	}
	return false;
}

static bool make_channel(struct kit_device *d)
{
	struct evtchn_alloc_unbound alloc = {.dom = DOMID_SELF, .remote_dom = d->backend};

	if (hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, &alloc))
		return false;
	d->port = alloc.port;
	for (int i = 0; i < (d->type == NOXS_DEV_VIF ? 2 : 1); i++) {
		d->ring[i] = kit_pages(1);
		if (!d->ring[i])
			return false;
		SHARED_RING_INIT((struct netif_tx_sring *)d->ring[i]); /* alike in all rings */
		d->gref[i] = kit_grant(d->backend, d->ring[i], false);
		if (!d->gref[i])
			return false;
	}
	return true;
}

static int publish_once(const struct kit_device *d, enum xenbus_state state)
{
	uint32_t tx;
	int rc = kit_store_begin(&tx);
	int bad;

	if (rc < 0)
		return rc;
	bad = write_number(tx, d->path, "event-channel", d->port);
	if (d->type == NOXS_DEV_VIF) {
		bad |= write_number(tx, d->path, "tx-ring-ref", d->gref[0]);
		bad |= write_number(tx, d->path, "rx-ring-ref", d->gref[1]);
		bad |= write_number(tx, d->path, "request-rx-copy", 1);
		bad |= write_number(tx, d->path, "feature-rx-notify", 1);
		bad |= write_number(tx, d->path, "feature-sg", 1);
		bad |= write_number(tx, d->path, "feature-ipv6-csum-offload", 1);
	} else {
		bad |= write_number(tx, d->path, "ring-ref", d->gref[0]);
		bad |= write_text(tx, d->path, "protocol", "x86_64-abi");
	}
	bad |= write_number(tx, d->path, "state", state);
	if (bad < 0) {
		(void)kit_store_end(tx, false);
		return KIT_STORE_ERROR;
	}
	return kit_store_end(tx, true);
}

static bool publish(const struct kit_device *d, enum xenbus_state state)
{
	int rc = KIT_STORE_EAGAIN;

	for (int i = 0; i < TRIES && rc == KIT_STORE_EAGAIN; i++)
		rc = publish_once(d, state);
	return rc >= 0;
}

static bool connect_vif(struct kit_device *d)
{
	if (!await(d, WAITS, 0) || !publish(d, XenbusStateConnected) ||
	    !await(d, 1u << XenbusStateConnected, ENDS))
		return false;
	d->vif.mtu = (uint16_t)number_of(d->path, "mtu", 1500);
	d->flags = NOXS_VIF_UP;
	return true;
}

static bool connect_vbd(struct kit_device *d)
{
	char path[192];
	char mode[8] = "";

	if (!await(d, WAITS, 0) || !publish(d, XenbusStateInitialised) ||
	    !await(d, 1u << XenbusStateConnected, ENDS))
		return false;
	d->vbd.sectors = number_of(d->remote, "sectors", 0);
	d->vbd.sector_size = (uint32_t)number_of(d->remote, "sector-size", 512);
	if (kit_store_read(0, join(path, sizeof(path), d->remote, "mode"), mode, sizeof(mode)) >
		    0 &&
	    mode[0] == 'r')
		d->flags |= NOXS_VBD_READONLY;
	if (number_of(d->remote, "feature-flush-cache", 0))
		d->flags |= NOXS_VBD_FLUSH;
	if (number_of(d->remote, "feature-discard", 0))
		d->flags |= NOXS_VBD_DISCARD;
	set_state(d, XenbusStateConnected);
	return true;
}

bool classic_open(struct kit_device *d)
{
	bool vif = d->type == NOXS_DEV_VIF;

	if (!find(d))
		return false;
	if (number_of(d->remote, "state", 0) >= XenbusStateClosing) /* after a close */
		set_state(d, XenbusStateInitialising);
	if (make_channel(d) && (vif ? connect_vif(d) : connect_vbd(d)))
		return true;
	kit_print("%s: the backend does not answer\r\n", d->path);
	set_state(d, XenbusStateClosed);
	return false;
}

void classic_close(struct kit_device *d)
{
	set_state(d, XenbusStateClosing);
	(void)await(d, ENDS, 0);
	set_state(d, XenbusStateClosed);
	(void)await(d, 1u << XenbusStateClosed | 1u << XenbusStateInitWait, 0);
	for (int i = 0; i < 2; i++)
		if (d->gref[i])
			(void)kit_ungrant(d->gref[i]);
}

/* Obeys control/shutdown, the request of toolstacks with a store. */
void classic_power(void)
{
	static bool watching;
	char word[16];

	if (!kit.store || !kit.store_port)
		return;
	if (!watching) {
		watching = true;
		kit_listen(kit.store_port);
		(void)kit_store_watch("control/shutdown", "power");
	}
	if (!kit_store_fired() || kit_store_read(0, "control/shutdown", word, sizeof(word)) <= 0)
		return;
	(void)kit_store_write(0, "control/shutdown", "");
	if (strcmp(word, "poweroff") == 0 || strcmp(word, "halt") == 0)
		kit_stop(SHUTDOWN_poweroff);
	if (strcmp(word, "reboot") == 0)
		kit_stop(SHUTDOWN_reboot);
}
