/* SPDX-License-Identifier: BSD-3-Clause */
/* Nodes of vifs and vbds, and paths that only look like theirs. */
#include "tests/unit/unit.h"

#include <string.h>

#include "dom0/devtree.h"

static struct store *s;

static int open_store(void **state)
{
	(void)state;
	return store_open(NULL, NULL, &s, NULL);
}

static int close_store(void **state)
{
	(void)state;
	store_close(s);
	return 0;
}

static void is(const char *path, const char *want)
{
	uint32_t len = 0;
	const char *have = store_get(s, path, &len);

	if (!have || len != strlen(want) || memcmp(have, want, len) != 0)
		fail_msg("%s: \"%.*s\", not \"%s\"", path, have ? (int)len : 4,
			 have ? have : "none", want);
}

static void is_not(const char *path)
{
	uint32_t len;

	assert_null(store_get(s, path, &len));
}

#define FRONT "/local/domain/7/device/"
#define BACK  "/local/domain/0/backend/"

static void vifs(void **state)
{
	static const uint8_t mac[6] = {0, 0x16, 0x3e, 1, 2, 0xff};
	struct devtree_rings rings = {{8, 9}, 5};
	struct devtree_vif v = {.id = {"vif", 7, 2},
				.mac = mac,
				.bridge = "br0",
				.ifname = "",
				.ip = "",
				.rate_bytes = 1250000,
				.rate_us = 50000};

	(void)state;
	assert_int_equal(devtree_make_vif(s, &v), 0);
	is(FRONT "vif/2/backend", BACK "vif/7/2");
	is(FRONT "vif/2/mac", "00:16:3e:01:02:ff");
	is(FRONT "vif/2/state", "1");
	is(BACK "vif/7/2/frontend", FRONT "vif/2");
	is(BACK "vif/7/2/bridge", "br0");
	is(BACK "vif/7/2/rate", "1250000,50000");
	is(BACK "vif/7/2/online", "1");
	is_not(BACK "vif/7/2/vifname");
	is_not(BACK "vif/7/2/hotplug-status"); /* comes with its interface */
	is_not(FRONT "vif/2/tx-ring-ref");
	devtree_remove(s, &v.id);
	is_not(FRONT "vif/2/backend");
	is_not(BACK "vif/7/2/online");

	v.rings = &rings;
	assert_int_equal(devtree_make_vif(s, &v), 0);
	is(FRONT "vif/2/tx-ring-ref", "8");
	is(FRONT "vif/2/rx-ring-ref", "9");
	is(FRONT "vif/2/event-channel", "5");
	is(FRONT "vif/2/state", "4");
	is(BACK "vif/7/2/hotplug-status", "connected");
	assert_int_equal(devtree_back_state(s, &v.id), DEVTREE_INITIALISING);
	assert_int_equal(devtree_close(s, &v.id), 0);
	is(BACK "vif/7/2/online", "0");
	assert_int_equal(devtree_back_state(s, &v.id), DEVTREE_CLOSING);
}

static void vbds(void **state)
{
	struct devtree_rings rings = {{8, 0}, 5};
	struct devtree_vbd v = {.id = {"vbd", 7, 51712},
				.dev = "xvda",
				.params = "/disk",
				.major = 7,
				.minor = 17,
				.readonly = true,
				.rings = &rings};

	(void)state;
	assert_int_equal(devtree_make_vbd(s, &v), 0);
	is(FRONT "vbd/51712/virtual-device", "51712");
	is(FRONT "vbd/51712/ring-ref", "8");
	is(FRONT "vbd/51712/state", "3");
	is(BACK "vbd/7/51712/physical-device", "7:11"); /* both in hex */
	is(BACK "vbd/7/51712/mode", "r");
	devtree_remove(s, &v.id);
	v.user = true;
	assert_int_equal(devtree_make_vbd(s, &v), 0);
	is_not(BACK "vbd/7/51712/physical-device");
	is(BACK "vbd/7/51712/state", "2");
}

static void states(void **state)
{
	static const char *const no[] = {"", "7", "-1", "four", "4x", "99999999999"};
	struct devtree_id id = {"vif", 7, 2};

	(void)state;
	assert_int_equal(devtree_back_state(s, &id), DEVTREE_UNKNOWN);
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
		assert_int_equal(store_putf(s, BACK "vif/7/2/state", "%s", no[i]), 0);
		if (devtree_back_state(s, &id) != DEVTREE_UNKNOWN)
			fail_msg("\"%s\" is a state", no[i]);
	}
	assert_int_equal(store_putf(s, BACK "vif/7/2/state", "4"), 0);
	assert_int_equal(devtree_back_state(s, &id), DEVTREE_CONNECTED);
}

static void paths(void **state)
{
	static const char *const no[] = {
		"",
		"/",
		"/local/domain/0/backend",
		BACK "vif",
		BACK "vif/",
		BACK "vif/7",
		BACK "vif/7/",
		BACK "vif//2",
		BACK "vif/7/2x",
		BACK "vif/-7/2",
		BACK "vif/ 7/2",
		BACK "vif/+7/2",
		BACK "vif/4294967296/2",
		BACK "vif/7/99999999999999999999999",
		BACK "vkbd/7/2",
		BACK "console/7/0/state",
		"/local/domain/7/backend/vif/7/2",
		"local/domain/0/backend/vif/7/2",
	};
	const char *rest = NULL;
	uint32_t domid = 0;
	uint32_t devid = 0;
	char kind[4];

	(void)state;
	for (size_t i = 0; i < sizeof(no) / sizeof(no[0]); i++)
		if (devtree_parse_back(no[i], kind, &domid, &devid, &rest))
			fail_msg("\"%s\" is a device", no[i]);
	assert_true(devtree_parse_back(BACK "vbd/7/51712/state", kind, &domid, &devid, &rest));
	assert_string_equal(kind, "vbd");
	assert_int_equal(domid, 7);
	assert_int_equal(devid, 51712);
	assert_string_equal(rest, "/state");
	assert_true(devtree_parse_back(BACK "vif/0/4294967295", kind, &domid, &devid, &rest));
	assert_int_equal(devid, UINT32_MAX);
	assert_string_equal(rest, "");
}

#define WITH_STORE(f) cmocka_unit_test_setup_teardown(f, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_STORE(vifs),
		WITH_STORE(vbds),
		WITH_STORE(states),
		cmocka_unit_test(paths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
