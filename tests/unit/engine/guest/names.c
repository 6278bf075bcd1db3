/* SPDX-License-Identifier: BSD-3-Clause */
/* What other toolstacks do to a VM of ours is seen: pause, unpause, rename. */
#include "tests/unit/engine/engine_help.h"
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/uuid.h"
#include "split-toolstack/engine/guest/names.h"
#include "split-toolstack/engine/guest/storehost.h"

static enum vm_state shown(struct vm *vm)
{
	struct vm_info i;

	vm_get_info(vm, &i);
	return i.state;
}

static bool xen_has_it_paused(struct vm *vm)
{
	struct xen_domain_info info;

	assert_int_equal(xen_domain_info(engine_xen(en), vm_domid(vm), &info), 0);
	return info.paused;
}

static void pauses_of_others_are_seen_and_undone(void **state)
{
	struct result r = create(guest("web", DOM_PV, 256), 0);
	struct xen *x = engine_xen(en);
	struct err e = {0};

	(void)state;
	assert_int_equal(r.rc, 0);
	assert_int_equal(shown(r.vm), VM_RUNNING);
	assert_int_equal(xen_domain_pause(x, vm_domid(r.vm)), 0);
	assert_int_equal(xen_domain_pause(x, vm_domid(r.vm)), 0); /* twice counts twice */
	assert_int_equal(shown(r.vm), VM_PAUSED);
	assert_int_equal(vm_unpause(r.vm, &e), 0);
	assert_false(xen_has_it_paused(r.vm));
	assert_int_equal(shown(r.vm), VM_RUNNING);
	/* ours, and one more on top */
	assert_int_equal(vm_pause(r.vm, &e), 0);
	assert_int_equal(shown(r.vm), VM_PAUSED);
	assert_int_equal(xen_domain_pause(x, vm_domid(r.vm)), 0);
	assert_int_equal(vm_unpause(r.vm, &e), 0);
	assert_false(xen_has_it_paused(r.vm));
	/* ours, undone by others */
	assert_int_equal(vm_pause(r.vm, &e), 0);
	assert_int_equal(xen_domain_unpause(x, vm_domid(r.vm)), 0);
	assert_int_equal(shown(r.vm), VM_RUNNING);
	assert_int_equal(vm_pause(r.vm, &e), 0);
	assert_true(xen_has_it_paused(r.vm));
	assert_int_equal(xen_domain_unpause(x, vm_domid(r.vm)), 0);
	assert_int_equal(vm_unpause(r.vm, &e), 0);
	assert_false(xen_has_it_paused(r.vm));
	assert_int_equal(shown(r.vm), VM_RUNNING);
	assert_int_equal(vm_state(r.vm), VM_RUNNING);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
}

static void the_name_of_dom0_is_taken(void **state)
{
	struct result r = create(guest("Domain-0", DOM_PV, 256), 0);
	struct err e = {0};

	(void)state;
	assert_int_equal(r.rc, -EINVAL);
	assert_non_null(strstr(r.err.msg, "dom0's"));
	r = create(guest("web", DOM_PV, 256), 0);
	assert_int_equal(vm_rename(r.vm, "Domain-0", &e), -EINVAL);
	assert_string_equal(vm_name(r.vm), "web");
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
}

/* As "xl rename" does it: in the domain's folder and in that of the VM. */
static void rename_by(struct client *tool, struct vm *vm, const char *name)
{
	char text[128];
	char uuid[37];
	uint8_t u[16];

	vm_uuid(vm, u);
	uuid_print(u, uuid);
	(void)snprintf(text, sizeof(text), "/local/domain/%u/name|", vm_domid(vm));
	assert_string_equal(ask(tool, XS_READ, 0, text), vm_name(vm));
	(void)snprintf(text, sizeof(text), "/local/domain/%u/name|%s", vm_domid(vm), name);
	assert_string_equal(ask(tool, XS_WRITE, 0, text), "OK|");
	(void)snprintf(text, sizeof(text), "/vm/%s/name|%s", uuid, name);
	assert_string_equal(ask(tool, XS_WRITE, 0, text), "OK|");
}

static void tools_of_dom0_rename(void **state)
{
	struct result r = create(guest("web", DOM_PV, 256), 0);
	struct result other = create(guest("other", DOM_PV, 256), 0);
	struct client tool;
	char text[64];

	(void)state;
	client_open(&tool, engine_store(en), 0, false);
	rename_by(&tool, r.vm, "new");
	assert_string_equal(vm_name(r.vm), "new");
	assert_ptr_equal(engine_find(en, "new"), r.vm);
	assert_null(engine_find(en, "web"));
	/* a name that cannot be is taken back */
	rename_by(&tool, r.vm, "other");
	assert_string_equal(vm_name(r.vm), "new");
	(void)snprintf(text, sizeof(text), "/local/domain/%u/name|", vm_domid(r.vm));
	assert_string_equal(ask(&tool, XS_READ, 0, text), "new");
	rename_by(&tool, r.vm, "not possible");
	assert_string_equal(vm_name(r.vm), "new");
	store_conn_close(tool.c);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	assert_int_equal(vm_destroy(other.vm, NULL), 0);
	settle(0);
}

/* Another toolstack makes a domain, and says in the store what it is. */
static void theirs(struct client *tool, uint32_t domid, const uint8_t uuid[16], const char *name)
{
	struct xen_domain_config c = {.domid = domid, .max_vcpus = 1};
	char text[128];
	char u[37];
	uint32_t id;

	memcpy(c.uuid, uuid, sizeof(c.uuid));
	assert_int_equal(xen_domain_create(engine_xen(en), &c, &id), 0);
	uuid_print(uuid, u);
	(void)snprintf(text, sizeof(text), "/vm/%s/name|%s", u, name);
	assert_string_equal(ask(tool, XS_WRITE, 0, text), "OK|");
	(void)snprintf(text, sizeof(text), "/local/domain/%u/name|%s", domid, name);
	assert_string_equal(ask(tool, XS_WRITE, 0, text), "OK|");
}

static const char *name_of(uint32_t domid)
{
	struct xen_domain_info info;

	assert_int_equal(xen_domain_info(engine_xen(en), domid, &info), 0);
	return names_of(en, &info);
}

static void names_of_others_are_taken(void **state)
{
	static const uint8_t seven[16] = {7}, eight[16] = {8};
	struct vm *vm = create(guest("web", DOM_PV, 256), 0).vm;
	struct engine_conf c = conf();
	struct client tool;
	struct result r;

	(void)state;
	client_open(&tool, engine_store(en), 0, false);
	theirs(&tool, 7, seven, "theirs");
	theirs(&tool, 8, eight, "gone");
	store_conn_close(tool.c);
	assert_string_equal(name_of(7), "theirs");
	r = create(guest("theirs", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -EEXIST);
	assert_int_equal(vm_rename(vm, "gone", NULL), -EEXIST);
	assert_int_equal(vm_destroy(vm, NULL), 0);
	settle(2);
	/* the next daemon knows those that live, and what is left of others goes */
	engine_close(en);
	fake_vanish(8);
	assert_int_equal(engine_open(loop, &c, &en, NULL), 0);
	know_image(GUEST_NOOP);
	assert_string_equal(name_of(7), "theirs");
	assert_non_null(store_get(engine_store(en), "/local/domain/7/name", NULL));
	assert_null(store_get(engine_store(en), "/local/domain/8", NULL));
	r = create(guest("theirs", DOM_PV, 256), 0);
	assert_int_equal(r.rc, -EEXIST);
	r = create(guest("gone", DOM_PV, 256), 0);
	assert_int_equal(r.rc, 0);
	/* removed by its toolstack, it is free */
	client_open(&tool, engine_store(en), 0, false);
	assert_string_equal(ask(&tool, XS_RM, 0, "/vm/07000000-0000-0000-0000-000000000000|"),
			    "OK|");
	store_conn_close(tool.c);
	assert_int_equal(vm_rename(r.vm, "theirs", NULL), 0);
	fake_vanish(7);
	assert_int_equal(vm_destroy(r.vm, NULL), 0);
	settle(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		LIFE(pauses_of_others_are_seen_and_undone),
		LIFE(the_name_of_dom0_is_taken),
		LIFE(tools_of_dom0_rename),
		LIFE(names_of_others_are_taken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
