/* SPDX-License-Identifier: BSD-3-Clause */
/* Kinds of devices: clients have the engine's, by the same names, and each shows its own members.
 */
#include "split-toolstack/engine/config/device_config.h"
#include "split-toolstack/libchaos/device.h"

#include <string.h>

#include "tests/unit/unit.h"

static void clients_have_the_kinds_of_the_engine(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (; device_words[n].kind; n++) {
		assert_true(n < DEVICE_KINDS);
		assert_string_equal(device_words[n].kind, device_kind_name(n));
		assert_string_equal(device_words[n].word, device_kind_word(n));
		assert_ptr_equal(device_by_word(device_words[n].word), &device_words[n]);
	}
	assert_int_equal(n, DEVICE_KINDS);
	assert_null(device_by_word("usb"));
	assert_null(device_by_word(""));
}

/* Addresses of the API: each kind has a prefix, except one. */
static void prefixes_differ(void **state)
{
	uint32_t plain = 0;

	(void)state;
	for (const struct device_words *k = device_words; k->kind; k++) {
		plain += !k->prefix[0];
		for (const struct device_words *o = device_words; o != k; o++)
			assert_string_not_equal(k->prefix, o->prefix);
	}
	assert_int_equal(plain, 1);
}

static const char *text(json_t *j, const char *key)
{
	return json_string_value(json_object_get(j, key));
}

static void members_of_a_kind(void **state)
{
	static struct chaos_device d;
	json_t *j;

	(void)state;
	(void)strcpy(d.kind, "vif");
	(void)strcpy(d.id, "0");
	(void)strcpy(d.mac, "00:16:3e:00:00:01");
	d.mtu = 1500;
	j = device_json(&d);
	assert_string_equal(text(j, "mac"), "00:16:3e:00:00:01");
	assert_int_equal(json_integer_value(json_object_get(j, "mtu")), 1500);
	assert_true(json_is_null(json_object_get(j, "bridge")));
	assert_null(json_object_get(j, "rate_bytes"));
	assert_null(json_object_get(j, "path"));
	json_decref(j);
	(void)strcpy(d.kind, "vbd");
	(void)strcpy(d.path, "/dev/vg/data");
	d.sectors = 8;
	j = device_json(&d);
	assert_string_equal(text(j, "path"), "/dev/vg/data");
	assert_int_equal(json_integer_value(json_object_get(j, "bytes")), 4096);
	assert_null(json_object_get(j, "mac"));
	json_decref(j);
	(void)strcpy(d.kind, "usb"); /* of a newer chaosd: what all devices have */
	j = device_json(&d);
	assert_string_equal(text(j, "kind"), "usb");
	assert_null(json_object_get(j, "path"));
	json_decref(j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_have_the_kinds_of_the_engine),
		cmocka_unit_test(prefixes_differ),
		cmocka_unit_test(members_of_a_kind),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
