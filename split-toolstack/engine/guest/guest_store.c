/* SPDX-License-Identifier: BSD-3-Clause */
/* The nodes of a guest in the store, and its ring. */
#include "split-toolstack/engine/guest/guest_store.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <utlist.h>

#include "base/log.h"
#include "base/uuid.h"
#include "split-toolstack/engine/config/device_config_ops.h"
#include "split-toolstack/engine/devices/set.h"
#include "split-toolstack/engine/guest/channel.h"
#include "split-toolstack/engine/guest/guest-t.h"
#include "split-toolstack/engine/guest/guests-t.h"
#include "split-toolstack/engine/guest/storehost.h"
#include "split-toolstack/engine/parts/parts.h"
#include "split-toolstack/engine/services/ports.h"
#include "split-toolstack/engine/vm/parts.h"
#include "split-toolstack/engine/vm/vms.h"
/* Messages of one guest before others get their turn. */
#define BUDGET 32u

#define CONSOLE_LIMIT 1048576 /* what other toolstacks write; nothing depends on it */

/* --- ports --- */

int guest_store_ports(struct xen *x, uint32_t domid, bool noxs, uint32_t *console, uint32_t *store,
		      struct err *e)
{
	int rc = noxs ? 0 : xen_evtchn_alloc(x, domid, 0, store);

	if (rc == 0)
		rc = xen_evtchn_alloc(x, domid, 0, console);
	if (rc < 0)
		return err_sys(e, -rc, "make the console and store channels of domain %u", domid);
	return 0;
}

/* --- nodes --- */

/* A path below the domain's own. */
static const char *below(char path[STORE_PATH_MAX], const struct vm *vm, const char *rest)
{
	(void)snprintf(path, STORE_PATH_MAX, "/local/domain/%u%s%s", vm_domid(vm), *rest ? "/" : "",
		       rest);
	return path;
}

static int write_node(const struct vm *vm, const char *rest, const char *value)
{
	char path[STORE_PATH_MAX];

	return store_putf_quiet(engine_guests(vm_engine(vm))->tree, below(path, vm, rest), "%s",
				value);
}

static int put_u64(const struct vm *vm, const char *rest, uint64_t value)
{
	char text[24];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)value);
	return write_node(vm, rest, text);
}

/* A node that is the guest's own. */
static int put_own(const struct vm *vm, const char *rest)
{
	struct store_perm own = {vm_domid(vm), STORE_NONE};
	char path[STORE_PATH_MAX];
	int rc = write_node(vm, rest, "");

	return rc < 0 ? rc
		      : store_set_perms(engine_guests(vm_engine(vm))->tree, below(path, vm, rest),
					&own, 1);
}

static int put_top(const struct vm *vm)
{
	struct store_perm read[] = {{0, STORE_NONE}, {vm_domid(vm), STORE_READ}};
	char path[STORE_PATH_MAX];
	int rc = write_node(vm, "", "");

	return rc < 0 ? rc
		      : store_set_perms(engine_guests(vm_engine(vm))->tree, below(path, vm, ""),
					read, 2);
}

#define VM_PATH (sizeof("/vm/") + 36 + sizeof("/name"))

static const char *vm_path(char path[VM_PATH], const struct vm *vm, const char *rest)
{
	char uuid[37];

	uuid_print(vm_uuid_bytes(vm), uuid);
	(void)snprintf(path, VM_PATH, "/vm/%s%s", uuid, rest);
	return path;
}

/* Where other toolstacks store properties of a VM over all its domains; a new domain may read
 * it. */
static int put_vm(const struct vm *vm)
{
	struct store_perm read[] = {{0, STORE_NONE}, {vm_domid(vm), STORE_READ}};
	struct store *s = engine_guests(vm_engine(vm))->tree;
	char path[VM_PATH];
	char uuid[37];
	int rc;

	uuid_print(vm_uuid_bytes(vm), uuid);
	(void)store_rm(s, vm_path(path, vm, "")); /* of the domain before */
	rc = store_putf_quiet(s, path, "%s", "");
	if (rc == 0)
		rc = store_set_perms(s, path, read, 2);
	if (rc == 0)
		rc = store_putf_quiet(s, vm_path(path, vm, "/uuid"), "%s", uuid);
	if (rc == 0)
		rc = store_putf_quiet(s, vm_path(path, vm, "/name"), "%s", vm_name(vm));
	return rc;
}

static int put_identity(const struct vm *vm)
{
	char text[VM_PATH];
	int rc = put_top(vm);

	if (rc == 0)
		rc = put_vm(vm);
	if (rc == 0)
		rc = write_node(vm, "vm", vm_path(text, vm, ""));
	if (rc == 0)
		rc = write_node(vm, "name", vm_name(vm));
	if (rc == 0)
		rc = put_u64(vm, "domid", vm_domid(vm));
	/* Without it xl takes a PVH domain for an HVM one. */
	(void)snprintf(text, sizeof(text), "/libxl/%u/type", vm_domid(vm));
	if (rc == 0)
		rc = store_putf_quiet(engine_guests(vm_engine(vm))->tree, text, "%s",
				      vm_cfg(vm)->type == DOM_PVH ? "pvh" : "pv");
	return rc;
}

/* A PVH kernel takes the difference between static-max and its memory map for missing memory,
 * and returns that much of what it has. So both must be those with which the domain was built. */
static int put_machine(const struct vm *vm)
{
	const struct vm_config *c = vm_cfg(vm);
	char rest[64];
	int rc = 0;

	for (uint32_t i = 0; i < vm_config_vcpus(c) && rc == 0; i++) {
		(void)snprintf(rest, sizeof(rest), "cpu/%u/availability", i);
		rc = write_node(vm, rest, i < c->vcpus ? "online" : "offline");
	}
	if (rc == 0)
		rc = put_u64(vm, "memory/static-max", vm_dom(vm)->max_pages * 4);
	if (rc == 0)
		rc = put_u64(vm, "memory/target",
			     (vm_dom(vm)->had_pages ? vm_dom(vm)->had_pages : vm_dom(vm)->pages) *
				     4);
	if (rc == 0)
		rc = write_node(vm, "memory/videoram", "0");
	if (rc == 0)
		rc = put_own(vm, "device/suspend/event-channel");
	return rc;
}

static int put_control(const struct vm *vm)
{
	static const char *const own[] = {"control/shutdown",
					  "control/feature-poweroff",
					  "control/feature-reboot",
					  "control/feature-suspend",
					  "control/sysrq",
					  "data",
					  "drivers",
					  "feature",
					  "attr",
					  "error"};
	int rc = 0;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]) && rc == 0; i++)
		rc = put_own(vm, own[i]);
	if (rc == 0)
		rc = write_node(vm, "control/platform-feature-multiprocessor-suspend", "1");
	if (rc == 0)
		rc = write_node(vm, "control/platform-feature-xs_reset_watches", "1");
	return rc;
}

static int put_channels(const struct vm *vm)
{
	struct store_perm readable[] = {{vm_domid(vm), STORE_NONE}, {0, STORE_READ}};
	struct store_perm back[] = {{0, STORE_NONE}, {vm_domid(vm), STORE_READ}};
	struct store *s = engine_guests(vm_engine(vm))->tree;
	char path[STORE_PATH_MAX];
	char at[64];
	int rc = put_u64(vm, "store/port", vm_store_port(vm));

	(void)snprintf(at, sizeof(at), "/local/domain/0/backend/console/%u/0", vm_domid(vm));
	if (rc == 0)
		rc = put_u64(vm, "store/ring-ref", vm_dev_frame(vm));
	if (rc == 0)
		rc = write_node(vm, "console/backend", at);
	if (rc == 0)
		rc = write_node(vm, "console/backend-id", "0");
	if (rc == 0)
		rc = store_set_perms(s, below(path, vm, "console/backend-id"), readable, 2);
	if (rc == 0)
		rc = put_u64(vm, "console/limit", CONSOLE_LIMIT);
	if (rc == 0)
		rc = write_node(vm, "console/type", "xenconsoled");
	if (rc == 0)
		rc = write_node(vm, "console/output", "pty");
	if (rc == 0)
		rc = write_node(vm, "console/tty", ""); /* there is none */
	if (rc == 0)
		rc = put_u64(vm, "console/port", vm_guest_port(vm));
	if (rc == 0)
		rc = put_u64(vm, "console/ring-ref", vm_control_frame(vm));
	if (rc == 0)
		rc = store_putf_quiet(s, at, "%s", "");
	if (rc == 0)
		rc = store_set_perms(s, at, back, 2);
	if (rc == 0)
		rc = storehost_console_backend(vm_engine(vm), vm_domid(vm), at);
	return rc;
}

/* Makes the nodes that xl makes for a configuration. */
static int put_all(const struct vm *vm, struct err *e)
{
	int rc = put_identity(vm);

	if (rc == 0)
		rc = put_machine(vm);
	if (rc == 0)
		rc = put_control(vm);
	if (rc == 0)
		rc = put_channels(vm);
	return rc < 0 ? err_sys(e, -rc, "make the store nodes of domain %u", vm_domid(vm)) : 0;
}

void guest_store_on_missing(void *arg, uint32_t domid)
{
	struct engine *en = arg;
	struct vm *vm = NULL;

	if (domid != STORE_NO_DOMAIN) {
		vm = vm_by_domid(en, domid);
		if (vm)
			(void)put_identity(vm);
		return;
	}
	for (vm = vms_alive(en); vm; vm = vm_next(vm)) {
		char path[STORE_PATH_MAX];

		if (vm_domid(vm) && !store_get(engine_guests(en)->tree, below(path, vm, ""), NULL))
			(void)put_identity(vm);
	}
}

void guest_store_renamed(struct vm *vm)
{
	struct guests *all = engine_guests(vm_engine(vm));
	char path[STORE_PATH_MAX];
	char at[VM_PATH];

	if (!vm_domid(vm) || !store_get(all->tree, below(path, vm, "name"), NULL))
		return;
	(void)store_putf(all->tree, path, "%s", vm_name(vm));
	(void)store_putf(all->tree, vm_path(at, vm, "/name"), "%s", vm_name(vm));
}

int guest_store_tell_address(struct vm *vm, struct err *e)
{
	const struct vif_config *v = device_first_vif(vm_cfg(vm)->device, vm_cfg(vm)->ndevice);
	int rc = v && v->ip_text[0] ? write_node(vm, "vm-data/ip", v->ip_text) : 0;

	return rc < 0 ? err_sys(e, -rc, "make the store nodes of domain %u", vm_domid(vm)) : 0;
}

bool guest_store_has(const struct vm *vm, const char *rest)
{
	char path[STORE_PATH_MAX];
	const char *value =
		store_get(engine_guests(vm_engine(vm))->tree, below(path, vm, rest), NULL);

	return value && *value;
}

/* --- the ring --- */

static void on_notify(struct store_ring *r)
{
	struct vm *vm = r->arg;

	(void)xen_evtchn_notify(engine_xen(vm_engine(vm)), vm_guest(vm)->store.port);
}

static void on_wake(struct store_ring *r)
{
	struct vm *vm = r->arg;

	struct guest *g = vm_guest(vm);

	if (!g->store.woken) {
		g->store.woken = true;
		DL_APPEND2(engine_guests(vm_engine(vm))->woken, g, store_prev, store_next);
		storehost_busy(vm_engine(vm));
	}
}

static void unwake(struct vm *vm)
{
	struct guest *g = vm_guest(vm);

	if (g->store.woken)
		DL_DELETE2(engine_guests(vm_engine(vm))->woken, g, store_prev, store_next);
	g->store.woken = false;
}

static void guest_store_poll(struct vm *vm)
{
	struct guest *g = vm_guest(vm);
	int rc;

	unwake(vm);
	if (!g->store.ring.conn || port_is_masked(&g->store.user))
		return; /* it is polled when its credit is back */
	rc = store_ring_poll(&g->store.ring, BUDGET);
	if (rc == -EPROTO)
		log_line(LOG_WARN,
			 "op=store dom=%u name=%s: the guest broke the store's protocol: its "
			 "connection "
			 "ends",
			 vm_domid(vm), vm_name(vm));
	if (rc > 0) {
		on_wake(&g->store.ring);
		ports_spend(engine_ports(vm_engine(vm)), &g->store.user);
	}
}

void guest_stores_poll(struct engine *en)
{
	struct guest *g = engine_guests(en)->woken;
	struct guest *last =
		g ? g->store_prev : NULL; /* those that wake now wait for the next turn */

	while (g) {
		struct guest *next = g == last ? NULL : g->store_next;

		guest_store_poll(g->vm);
		g = next;
	}
}

static void on_event(struct port_user *u)
{
	guest_store_poll(
		((struct guest *)(void *)((char *)u - offsetof(struct guest, store.user)))->vm);
}

int guest_store_open(struct vm *vm, bool adopt, struct err *e)
{
	struct guests *all = engine_guests(vm_engine(vm));
	struct guest *g = vm_guest(vm);
	struct guest_store *s = &g->store;
	char at[VM_PATH];
	int rc;

	if (vm_has_noxs(vm) || vm_store_port(vm) == 0)
		return 0;
	if (!adopt) {
		rc = storehost_check_room(vm_engine(vm), e);
		if (rc == 0)
			rc = put_all(vm, e);
		if (rc < 0)
			return rc;
	}
	if (adopt && !store_get(all->tree, vm_path(at, vm, ""), NULL))
		(void)put_vm(vm); /* made by a version that had none */
	s->ring.arg = vm;
	s->ring.notify = on_notify;
	s->ring.wake = on_wake;
	rc = xen_evtchn_bind(engine_xen(vm_engine(vm)), vm_domid(vm), vm_store_port(vm), &s->port);
	if (rc < 0) {
		s->port = 0;
		return err_sys(e, -rc, "bind to store channel %u of domain %u", vm_store_port(vm),
			       vm_domid(vm));
	}
	s->user.event = on_event;
	s->user.resumed = on_event;
	s->user.credit = &g->credit;
	rc = ports_listen(engine_ports(vm_engine(vm)), s->port, &s->user);
	if (rc < 0)
		rc = err_set(e, ENOMEM, "out of memory");
	if (rc == 0)
		rc = store_ring_open(all->tree, vm_domid(vm), vm_map(vm), adopt, &s->ring, e);
	if (rc < 0) {
		guest_store_close(vm);
		return rc;
	}
	store_fire_special(all->tree, "@introduceDomain");
	if (adopt)
		on_wake(&s->ring);
	rc = vm_cfg(vm)->agent ? channel_open(vm, adopt, e) : 0;
	if (rc < 0)
		guest_store_close(vm);
	return rc;
}

void guest_store_close(struct vm *vm)
{
	struct guest_store *s = &vm_guest(vm)->store;

	channel_close(vm);
	unwake(vm);
	store_ring_close(&s->ring);
	ports_ignore(engine_ports(vm_engine(vm)), &s->user);
	if (s->port)
		(void)xen_evtchn_unbind(engine_xen(vm_engine(vm)), s->port);
	s->port = 0;
}

void guest_store_forget(struct vm *vm)
{
	struct engine *en = vm_engine(vm);

	if (vm_domid(vm) == 0 || !engine_guests(en)->tree)
		return;
	if (!devices_of(en, vm_domid(vm))) /* else it goes with the last of them */
		store_forget_domain(engine_guests(en)->tree, vm_domid(vm));
	if (vm_store_port(vm))
		store_fire_special(engine_guests(en)->tree, "@releaseDomain");
	vm_drop_store_port(vm);
}
