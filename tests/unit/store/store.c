/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's protocol: what clients may, see, hear and cannot. */
#include "tests/unit/store/store_help.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/unit.h"

static void answers(void **state)
{
	static const struct {
		uint32_t type;
		const char *ask, *answer;
	} table[] = {
		{XS_WRITE, "/a/b/c|value", "OK|"},
		{XS_READ, "/a/b/c|", "value"},
		{XS_READ, "/a/b|", ""},
		{XS_READ, "/a/x|", "!ENOENT|"},
		{XS_WRITE, "/a/n|one|two", "OK|"}, /* values hold anything */
		{XS_READ, "/a/n|", "one|two"},
		{XS_WRITE, "/a/n|", "OK|"},
		{XS_READ, "/a/n|", ""},
		{XS_DIRECTORY, "/a|", "b|n|"},
		{XS_DIRECTORY, "/a/n|", ""},
		{XS_DIRECTORY, "/q|", "!ENOENT|"},
		{XS_MKDIR, "/a/d/e|", "OK|"},
		{XS_MKDIR, "/a/b/c|", "OK|"},
		{XS_READ, "/a/b/c|", "value"},
		{XS_RM, "/a/d/none|", "OK|"},
		{XS_RM, "/none/none|", "!ENOENT|"},
		{XS_RM, "/a/d|", "OK|"},
		{XS_READ, "/a/d/e|", "!ENOENT|"},
		{XS_RM, "/|", "!EINVAL|"},
		{XS_GET_PERMS, "/a|", "n0|"},
		{XS_SET_PERMS, "/a|n7|r8|w9|b10|", "OK|"},
		{XS_GET_PERMS, "/a|", "n7|r8|w9|b10|"},
		{XS_GET_PERMS, "/a/b|", "n0|"},
		{XS_SET_PERMS, "/a|n7|x8|", "!EINVAL|"},
		{XS_SET_PERMS, "/a|n|", "!EINVAL|"},
		{XS_SET_PERMS, "/a|", "!EINVAL|"},
		{XS_SET_PERMS, "/none|n0|", "!ENOENT|"},
		{XS_READ, "|", "!EINVAL|"}, /* no path */
		{XS_DIRECTORY, "|", "!EINVAL|"},
		{XS_WRITE, "|value", "!EINVAL|"},
		{XS_WATCH, "|token|", "!EINVAL|"},
		{XS_READ, "/a", "!EINVAL|"}, /* no NUL */
		{XS_READ, "", "!EINVAL|"},
		{XS_READ, "/a|b|", "!EINVAL|"},
		{XS_READ, "/a/|", "!EINVAL|"},
		{XS_READ, "//a|", "!EINVAL|"},
		{XS_READ, "/a b|", "!EINVAL|"},
		{XS_READ, "/a\xc3|", "!EINVAL|"},
		{XS_READ, "@releaseDomain|", "!EINVAL|"},
		{XS_WRITE, "/a", "!EINVAL|"},
		{XS_WATCH, "/a|", "!EINVAL|"},
		{XS_UNWATCH, "/a|t|", "!ENOENT|"},
		{XS_GET_DOMAIN_PATH, "7|", "/local/domain/7|"},
		{XS_GET_DOMAIN_PATH, "x|", "!EINVAL|"},
		{XS_IS_DOMAIN_INTRODUCED, "0|", "T|"},
		{XS_IS_DOMAIN_INTRODUCED, "7|", "T|"},
		{XS_IS_DOMAIN_INTRODUCED, "9|", "F|"},
		{XS_INTRODUCE, "9|1|2|", "!ENOSYS|"},
		{XS_RELEASE, "9|", "!ENOSYS|"},
		{XS_RESUME, "9|", "!ENOSYS|"},
		{XS_SET_TARGET, "9|8|", "!ENOSYS|"},
		{XS_CONTROL, "check|", "!ENOSYS|"},
		{XS_WATCH_EVENT, "a|b|", "!ENOSYS|"},
		{XS_ERROR, "EINVAL|", "!ENOSYS|"},
		{77, "", "!ENOSYS|"},
		{XS_TRANSACTION_END, "T|", "!ENOENT|"},
		{XS_TRANSACTION_END, "X|", "!EINVAL|"},
		{XS_READ, "name|", "!ENOENT|"}, /* relative to its own domain */
		{XS_WRITE, "name|Domain-0", "OK|"},
		{XS_READ, "/local/domain/0/name|", "Domain-0"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *got = ask(&dom0, table[i].type, 0, table[i].ask);

		if (strcmp(got, table[i].answer) != 0)
			fail_msg("%u %s: %s, not %s", table[i].type, table[i].ask, got,
				 table[i].answer);
	}
}

static void guests_have_their_rights(void **state)
{
	static const struct {
		uint32_t type;
		const char *ask, *answer;
	} table[] = {
		{XS_READ, "name|", "guest-7"},
		{XS_READ, "/local/domain/7/name|", "guest-7"},
		{XS_READ, "/local/domain/8/name|", "!EACCES|"},
		{XS_READ, "/local/domain/8/none|", "!EACCES|"}, /* not even whether it is there */
		{XS_READ, "/local/domain/9/name|", "!EACCES|"},
		{XS_DIRECTORY, "/local/domain|", "!EACCES|"},
		{XS_READ, "none|", "!ENOENT|"},
		{XS_WRITE, "name|mine", "!EACCES|"},
		{XS_WRITE, "new|mine", "!EACCES|"},
		{XS_MKDIR, "new|", "!EACCES|"},
		{XS_RM, "name|", "!EACCES|"},
		{XS_RM, "/local/domain/7|", "!EACCES|"},
		{XS_WRITE, "data/a/b|mine", "OK|"},
		{XS_GET_PERMS, "data/a/b|", "n7|"},
		{XS_GET_PERMS, "|", "!EINVAL|"},
		{XS_GET_PERMS, "/local/domain/7|", "n0|r7|"},
		{XS_SET_PERMS, "data/a|n7|r8|", "OK|"},
		{XS_SET_PERMS, "data/a|n8|", "!EPERM|"}, /* it stays its own */
		{XS_SET_PERMS, "name|n7|", "!EACCES|"},
		{XS_SET_PERMS, "data|n7|r1|r2|r3|r4|r5|", "!ENOSPC|"},
		{XS_INTRODUCE, "9|1|2|", "!EACCES|"},
		{XS_RELEASE, "9|", "!EACCES|"},
		{XS_RESUME, "9|", "!EACCES|"},
		{XS_SET_TARGET, "9|8|", "!EACCES|"},
		{XS_CONTROL, "check|", "!EACCES|"},
		{XS_IS_DOMAIN_INTRODUCED, "7|",
		 "!EACCES|"}, /* which ids live is not its business */
		{XS_IS_DOMAIN_INTRODUCED, "8|", "!EACCES|"},
		{XS_IS_DOMAIN_INTRODUCED, "9|", "!EACCES|"},
		{XS_RM, "data/a|", "OK|"},
		{XS_DIRECTORY, "data|", ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const char *got = ask(&g7, table[i].type, 0, table[i].ask);

		if (strcmp(got, table[i].answer) != 0)
			fail_msg("%u %s: %s, not %s", table[i].type, table[i].ask, got,
				 table[i].answer);
	}
	assert_string_equal(ask(&g7, XS_WRITE, 0, "data/s|shared"), "OK|");
	assert_string_equal(READ(&g8, "/local/domain/7/data/s"), "!EACCES|");
	assert_string_equal(ask(&g7, XS_SET_PERMS, 0, "data/s|n7|b8|"), "OK|");
	assert_string_equal(READ(&g8, "/local/domain/7/data/s"), "shared");
	assert_string_equal(WRITE(&g8, "/local/domain/7/data/s|theirs"), "OK|");
	assert_string_equal(WRITE(&g8, "/local/domain/7/data/s/x|8's"), "OK|");
	assert_string_equal(ask(&dom0, XS_GET_PERMS, 0, "/local/domain/7/data/s/x|"), "n8|b8|");
}

static void watches_fire(void **state)
{
	(void)state;
	assert_string_equal(ask(&g7, XS_WATCH, 0, "data|tok|"), "OK|");
	assert_string_equal(events(&g7), "data tok;"); /* at once, as it was asked for */
	assert_string_equal(ask(&g7, XS_WATCH, 0, "data|tok|"), "!EEXIST|");
	assert_string_equal(ask(&g7, XS_WATCH, 0, "/local/domain/7/data/x|abs|"), "OK|");
	assert_string_equal(events(&g7), "/local/domain/7/data/x abs;"); /* it is not there */
	assert_string_equal(WRITE(&g7, "data/x|1"), "OK|");
	assert_string_equal(events(&g7), "/local/domain/7/data/x abs;data/x tok;");
	assert_string_equal(WRITE(&g7, "data/x/y/z|1"), "OK|");
	assert_string_equal(events(&g7), "/local/domain/7/data/x/y/z abs;data/x/y/z tok;");
	/* one event for a tree that goes, and for each watch in it its own */
	assert_string_equal(ask(&g7, XS_WATCH, 0, "data/x/y|in|"), "OK|");
	(void)events(&g7);
	assert_int_equal(store_rm(s, "/local/domain/7/data/x"), 0);
	assert_string_equal(events(&g7), "/local/domain/7/data/x abs;data/x tok;data/x/y in;");
	assert_int_equal(store_putf_quiet(s, "/local/domain/7/data/x", "2"), 0);
	assert_string_equal(events(&g7), "");
	assert_int_equal(store_rm(s, "/local/domain/7/data"), 0);
	assert_string_equal(events(&g7), "data tok;/local/domain/7/data/x abs;");
	assert_string_equal(ask(&g7, XS_UNWATCH, 0, "data|other|"), "!ENOENT|");
	assert_string_equal(ask(&g7, XS_UNWATCH, 0, "data|tok|"), "OK|");
	assert_int_equal(store_putf(s, "/local/domain/7/data/x", "3"), 0);
	assert_string_equal(events(&g7), "/local/domain/7/data/x abs;");
	assert_string_equal(ask(&g7, XS_RESET_WATCHES, 0, "|"), "OK|");
	assert_int_equal(store_putf(s, "/local/domain/7/data/x", "4"), 0);
	assert_string_equal(events(&g7), "");
	/* what one may not read, one does not hear of */
	assert_string_equal(ask(&g7, XS_WATCH, 0, "/local/domain/8|spy|"), "OK|");
	assert_string_equal(events(&g7), "/local/domain/8 spy;");
	assert_string_equal(WRITE(&g8, "data/secret|1"), "OK|");
	assert_string_equal(ask(&dom0, XS_WRITE, 0, "/local/domain/8/x|1"), "OK|");
	assert_string_equal(events(&g7), "");
	assert_string_equal(ask(&g8, XS_SET_PERMS, 0, "data/secret|n8|r7|"), "OK|");
	assert_string_equal(events(&g7), "/local/domain/8/data/secret spy;");
	assert_string_equal(ask(&g8, XS_WATCH, 0, "data|all|"), "OK|");
	assert_string_equal(events(&g8), "data all;");
	assert_string_equal(WRITE(&g8, "data/q|1"), "OK|");
	assert_string_equal(events(&g8), "data/q all;");
	/* events of domains are dom0's */
	assert_string_equal(ask(&dom0, XS_WATCH, 0, "@releaseDomain|r|"), "OK|");
	assert_string_equal(ask(&g8, XS_WATCH, 0, "@releaseDomain|r|"), "OK|");
	assert_string_equal(events(&dom0), "@releaseDomain r;");
	assert_string_equal(events(&g8), "@releaseDomain r;");
	store_fire_special(s, "@releaseDomain");
	store_fire_special(s, "@introduceDomain");
	assert_string_equal(events(&dom0), "@releaseDomain r;");
	assert_string_equal(events(&g8), "");
	assert_string_equal(WRITE(&g7, "data|1"), "!EACCES|"); /* made anew by the daemon */
}

static void the_kernel_hears_of_devices_only(void **state)
{
	struct client kernel;

	(void)state;
	client_open(&kernel, s, 0, true);
	assert_string_equal(ask(&kernel, XS_WATCH, 0, "/local/domain/0/backend|be|"), "OK|");
	assert_string_equal(ask(&dom0, XS_WATCH, 0, "/local/domain/0/backend|be|"), "OK|");
	assert_string_equal(ask(&kernel, XS_WATCH, 0, "/local/domain/7/device/vif/0/state|fe|"),
			    "OK|");
	(void)events(&kernel);
	(void)events(&dom0);
	assert_int_equal(store_putf(s, "/local/domain/0/backend/vif/7/0/state", "1"), 0);
	assert_string_equal(events(&kernel), "");
	assert_string_equal(events(&dom0), "/local/domain/0/backend/vif/7/0/state be;");
	assert_int_equal(store_putf(s, "/local/domain/0/backend/vif/7/0/online", "1"), 0);
	assert_string_equal(events(&kernel), "/local/domain/0/backend/vif/7/0/online be;");
	assert_int_equal(store_putf(s, "/local/domain/7/device/vif/0/state", "1"), 0);
	assert_string_equal(events(&kernel), "/local/domain/7/device/vif/0/state fe;");
	assert_int_equal(store_rm(s, "/local/domain/0/backend/vif/7/0/state"), 0);
	assert_string_equal(events(&kernel), "");
	assert_int_equal(store_rm(s, "/local/domain/0/backend/vif/7/0"), 0);
	assert_string_equal(events(&kernel), "/local/domain/0/backend/vif/7/0 be;");
	store_fire(s, "/local/domain/0/backend/vif/7/0/online");
	assert_string_equal(events(&kernel), "/local/domain/0/backend/vif/7/0/online be;");
	store_forget_domain(s, 0);
}

static void transactions_stand_alone(void **state)
{
	uint32_t a, b;

	(void)state;
	assert_string_equal(ask(&g7, XS_WATCH, 0, "data|t|"), "OK|");
	(void)events(&g7);
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_int_not_equal(a, 0);
	assert_string_equal(ask(&g7, XS_TRANSACTION_START, a, "|"), "!EBUSY|");
	assert_string_equal(ask(&g7, XS_WRITE, a, "data/x/y|1"), "OK|");
	assert_string_equal(ask(&g7, XS_READ, a, "data/x/y|"), "1");
	assert_string_equal(ask(&g7, XS_DIRECTORY, a, "data|"), "x|");
	assert_string_equal(READ(&g7, "data/x/y"), "!ENOENT|"); /* no one else sees it */
	assert_string_equal(events(&g7), "");
	assert_string_equal(ask(&g7, XS_MKDIR, a, "data/z|"), "OK|");
	assert_string_equal(ask(&g7, XS_SET_PERMS, a, "data/z|n7|r8|"), "OK|");
	assert_string_equal(ask(&g7, XS_GET_PERMS, a, "data/z|"), "n7|r8|");
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "OK|");
	assert_string_equal(READ(&g7, "data/x/y"), "1");
	assert_string_equal(ask(&g8, XS_GET_PERMS, 0, "/local/domain/7/data/z|"), "n7|r8|");
	assert_string_equal(events(&g7), "data/x t;data/x/y t;data/z t;");
	assert_string_equal(ask(&g7, XS_READ, a, "data/x/y|"), "!ENOENT|"); /* it is over */
	/* given up */
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_string_equal(ask(&g7, XS_RM, a, "data/x|"), "OK|");
	assert_string_equal(ask(&g7, XS_READ, a, "data/x/y|"), "!ENOENT|");
	assert_string_equal(ask(&g7, XS_DIRECTORY, a, "data|"), "z|");
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "F|"), "OK|");
	assert_string_equal(READ(&g7, "data/x/y"), "1");
	assert_string_equal(events(&g7), "");
	/* gone and made again in one */
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_string_equal(ask(&g7, XS_RM, a, "data/x|"), "OK|");
	assert_string_equal(ask(&g7, XS_WRITE, a, "data/x/new|2"), "OK|");
	assert_string_equal(ask(&g7, XS_DIRECTORY, a, "data/x|"), "new|");
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "OK|");
	assert_string_equal(ask(&g7, XS_DIRECTORY, 0, "data/x|"), "new|");
	(void)events(&g7);
	/* two that see the same: the second one has lost */
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	b = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_int_not_equal(a, b);
	assert_string_equal(ask(&g7, XS_READ, a, "data/x/new|"), "2");
	assert_string_equal(ask(&g7, XS_WRITE, a, "data/q|a"), "OK|");
	assert_string_equal(ask(&g7, XS_WRITE, b, "data/x/new|3"), "OK|");
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, b, "T|"), "OK|");
	assert_string_equal(ask(&g7, XS_READ, a, "data/x/new|"), "2"); /* as it was */
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "!EAGAIN|");
	assert_string_equal(READ(&g7, "data/q"), "!ENOENT|");
	/* what was not there, and is now */
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_string_equal(ask(&g7, XS_READ, a, "data/q|"), "!ENOENT|");
	assert_int_equal(store_putf(s, "/local/domain/7/data/q", "daemon"), 0);
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "!EAGAIN|");
	/* what others do elsewhere is nothing to it */
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_string_equal(ask(&g7, XS_READ, a, "data/q|"), "daemon");
	assert_string_equal(WRITE(&g8, "data/q|8"), "OK|");
	assert_string_equal(ask(&g7, XS_TRANSACTION_END, a, "T|"), "OK|");
	/* one of another connection is none */
	a = number(ask(&g7, XS_TRANSACTION_START, 0, "|"));
	assert_string_equal(ask(&g8, XS_READ, a, "data/q|"), "!ENOENT|");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STORE_TEST(answers),
		STORE_TEST(guests_have_their_rights),
		STORE_TEST(watches_fire),
		STORE_TEST(the_kernel_hears_of_devices_only),
		STORE_TEST(transactions_stand_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
