/* SPDX-License-Identifier: BSD-3-Clause */
/* What the daemon hears of the store, and what stays of a domain that goes: nothing. */
#include "store/private.h"
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

static struct counted {
	struct store_hook hook;
	int n, removed;
	uint32_t by;
	char path[64];
} counted;

static void count_hook(struct store_hook *h, const char *path, bool removed, uint32_t by)
{
	struct counted *c = (struct counted *)h;

	c->n++;
	c->removed += removed;
	c->by = by;
	(void)snprintf(c->path, sizeof(c->path), "%s", path);
	if (c->n < 3) /* may change the tree */
		(void)store_putf(s, "/local/domain/7/data/hooked", "%d", c->n);
	if (removed)
		store_unhook(s, h);
}

static void the_daemon_hears_by_hooks(void **state)
{
	uint32_t a;
	uint32_t v;

	(void)state;
	memset(&counted, 0, sizeof(counted));
	counted.hook.fn = count_hook;
	assert_int_equal(store_hook(s, &counted.hook, "/local/domain/7/data"), 0);
	assert_string_equal(WRITE(&g7, "data/x|1"), "OK|");
	assert_int_equal(counted.n, 3); /* and the two writes of its own */
	assert_int_equal(counted.by, STORE_NO_DOMAIN);
	assert_string_equal(WRITE(&g7, "data/x|1"), "OK|");
	assert_int_equal(counted.n, 4);
	assert_int_equal(counted.by, 7);
	assert_string_equal(counted.path, "/local/domain/7/data/x");
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_string_equal(ask(&g7, XS_WRITE, a, "data/x|12"), "OK|");
	assert_int_equal(counted.n, 4);
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "OK|");
	assert_int_equal(counted.n, 5);
	assert_int_equal(store_get_u32(s, "/local/domain/7/data/x", &v), 0);
	assert_int_equal(v, 12);
	assert_string_equal(WRITE(&g7, "data/x|12x"), "OK|");
	assert_int_equal(store_get_u32(s, "/local/domain/7/data/x", &v), -EINVAL);
	assert_string_equal(WRITE(&g7, "data/x|4294967296"), "OK|");
	assert_int_equal(store_get_u32(s, "/local/domain/7/data/x", &v), -EINVAL);
	assert_int_equal(store_rm(s, "/local/domain/7"), 0);
	assert_int_equal(counted.removed, 1);
	assert_string_equal(counted.path, "/local/domain/7/data");
	assert_int_equal(store_putf(s, "/local/domain/7/data", "again"), 0);
	assert_int_equal(counted.removed, 1);
	store_unhook(s, &counted.hook);
}

static void missing(void *arg, uint32_t domid)
{
	(void)arg;
	assert_int_equal(store_putf_quiet(s, "/local/domain/9/name", "late"), 0);
	assert_true(domid == 9 || domid == STORE_NO_DOMAIN);
}

static void trees_come_when_asked_for(void **state)
{
	(void)state;
	store_on_missing(s, missing, NULL);
	assert_string_equal(ask(&dom0, XS_READ, 0, "/local/domain/9/name|"), "late");
	assert_int_equal(store_rm(s, "/local/domain/9"), 0);
	assert_string_equal(ask(&g7, XS_READ, 0, "/local/domain/9/name|"), "!EACCES|");
	assert_string_equal(ask(&dom0, XS_DIRECTORY, 0, "/local/domain|"), "7|8|9|");
}

/* "/vm/<uuid>" as the daemon makes it. */
static void identify(uint32_t domid, const char *vm)
{
	struct store_perm read[] = {{0, STORE_NONE}, {domid, STORE_READ}};
	char path[64];

	(void)store_rm(s, vm);
	assert_int_equal(store_mkdir(s, vm), 0);
	assert_int_equal(store_set_perms(s, vm, read, 2), 0);
	(void)snprintf(path, sizeof(path), "%s/name", vm);
	assert_int_equal(store_putf(s, path, "name"), 0);
	(void)snprintf(path, sizeof(path), "/local/domain/%u/vm", domid);
	assert_int_equal(store_putf(s, path, "%s", vm), 0);
}

static void an_identity_goes_with_its_domain(void **state)
{
	(void)state;
	identify(7, "/vm/one");
	identify(8, "/vm/two");
	assert_string_equal(READ(&g7, "/vm/one/name"), "name");
	assert_string_equal(ask(&g7, XS_WRITE, 0, "/vm/one/name|x"), "!EACCES|");
	assert_string_equal(READ(&g7, "/vm/two/name"), "!EACCES|");
	assert_string_equal(ask(&g7, XS_DIRECTORY, 0, "/vm|"), "!EACCES|");
	identify(8, "/vm/one"); /* the next domain of the same VM */
	store_forget_domain(s, 7);
	assert_non_null(store_get(s, "/vm/one", NULL));
	store_forget_domain(s, 8);
	assert_null(store_get(s, "/vm/one", NULL));
	assert_int_equal(store_rm(s, "/vm"), 0);
}

static void nothing_of_a_domain_stays(void **state)
{
	(void)state;
	assert_string_equal(ask(&g8, XS_SET_PERMS, 0, "data|n8|b7|"), "OK|");
	assert_string_equal(WRITE(&g7, "/local/domain/8/data/by7/x|1"), "OK|");
	assert_int_equal(store_putf(s, "/local/domain/0/backend/vif/7/0/state", "1"), 0);
	assert_int_equal(store_putf(s, "/local/domain/0/backend/vif/8/0/state", "1"), 0);
	store_forget_domain(s, 7);
	assert_null(store_get(s, "/local/domain/7", NULL));
	assert_null(store_get(s, "/local/domain/0/backend/vif/7", NULL));
	assert_non_null(store_get(s, "/local/domain/0/backend/vif/8/0", NULL));
	assert_null(store_get(s, "/local/domain/8/data/by7", NULL));
	assert_string_equal(ask(&dom0, XS_GET_PERMS, 0, "/local/domain/8/data|"), "n8|");
}

static void ends_look_only_where_they_must(void **state)
{
	struct store_perm mine[] = {{0, STORE_NONE}, {50, STORE_READ}};
	char path[64];
	uint64_t before;

	(void)state;
	for (uint32_t d = 100; d < 150; d++)
		for (uint32_t i = 0; i < 40; i++) {
			(void)snprintf(path, sizeof(path), "/local/domain/%u/data/%u", d, i);
			assert_int_equal(store_putf(s, path, "x"), 0);
			(void)snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u/%u", d,
				       i);
			assert_int_equal(store_putf(s, path, "x"), 0);
		}
	assert_int_equal(store_mkdir(s, "/local/domain/50"), 0);
	assert_int_equal(store_set_perms(s, "/local/domain/50", mine, 2), 0);
	assert_int_equal(store_mkdir(s, "/local/domain/0/backend/vif/50"), 0);
	assert_int_equal(store_set_perms(s, "/local/domain/0/backend/vif/50", mine, 2), 0);
	assert_string_equal(ask(&g7, XS_SET_PERMS, 0, "data|n7|r50|"), "OK|");
	for (uint32_t d = 100; d < 150; d++) {
		(void)snprintf(path, sizeof(path), "/vm/%u", d);
		identify(d, path);
	}
	before = s->looks;
	store_forget_domain(s, 50);
	assert_in_range(s->looks - before, 50, 110); /* of 4000 nodes */
	assert_string_equal(ask(&dom0, XS_GET_PERMS, 0, "/local/domain/7/data|"), "n7|");
	/* dom0 gives one's node to another */
	assert_int_equal(store_putf(s, "/local/domain/100/lent", "x"), 0);
	mine[0].domid = 50;
	assert_int_equal(store_set_perms(s, "/local/domain/100/lent", mine, 1), 0);
	store_forget_domain(s, 50);
	assert_null(store_get(s, "/local/domain/100/lent", NULL));
	/* tools give rights anywhere */
	assert_string_equal(ask(&dom0, XS_SET_PERMS, 0, "/local/domain/0/backend|n0|r50|"), "OK|");
	store_forget_domain(s, 50);
	assert_string_equal(ask(&dom0, XS_GET_PERMS, 0, "/local/domain/0/backend|"), "n0|");
	/* a guest's open folder */
	assert_string_equal(ask(&g8, XS_SET_PERMS, 0, "data|b8|"), "OK|");
	assert_string_equal(WRITE(&g7, "/local/domain/8/data/by7|1"), "OK|");
	store_forget_domain(s, 7);
	assert_null(store_get(s, "/local/domain/8/data/by7", NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(the_daemon_hears_by_hooks),	      STORE_TEST(trees_come_when_asked_for),
		STORE_TEST(an_identity_goes_with_its_domain), STORE_TEST(nothing_of_a_domain_stays),
		STORE_TEST(ends_look_only_where_they_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
