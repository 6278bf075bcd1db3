/* SPDX-License-Identifier: BSD-3-Clause */
/* UUIDs and MAC addresses: their text, both ways. */
#include "tests/unit/unit.h"

#include <errno.h>
#include <string.h>

#include "base/mac.h"
#include "base/uuid.h"

static const uint8_t uuid[16] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
				 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};

static void uuids_are_printed_and_read(void **state)
{
	char text[UUID_TEXT];
	uint8_t read[16];

	(void)state;
	uuid_print(uuid, text);
	assert_string_equal(text, "01234567-89ab-cdef-0123-456789abcdef");
	assert_int_equal(uuid_read(text, read), 0);
	assert_memory_equal(read, uuid, 16);
	assert_int_equal(uuid_read("01234567-89AB-CDEF-0123-456789ABCdef", read), 0);
	assert_memory_equal(read, uuid, 16);
}

static void other_forms_of_uuids_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0",
		"01234567",
		"01234567-89ab-cdef-0123-456789abcde",
		"01234567-89ab-cdef-0123-456789abcdef0",
		"01234567-89ab-cdef-0123-456789abcdef ",
		" 01234567-89ab-cdef-0123-456789abcdef",
		"0123456789abcdef0123456789abcdef",
		"01234567-89ab-cdef-01234-56789abcdef",
		"01234567_89ab_cdef_0123_456789abcdef",
		"g1234567-89ab-cdef-0123-456789abcdef",
		"{01234567-89ab-cdef-0123-456789abcdef}",
	};
	uint8_t read[16];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(uuid_read(bad[i], read), -EINVAL);
}

static void random_uuids_say_that_they_are(void **state)
{
	uint8_t a[16];
	uint8_t b[16];

	(void)state;
	assert_int_equal(uuid_random(a, NULL), 0);
	assert_int_equal(uuid_random(b, NULL), 0);
	assert_int_equal(a[6] >> 4, 4);
	assert_int_equal(a[8] >> 6, 2);
	assert_memory_not_equal(a, b, 16);
}

static void macs_are_printed_and_read(void **state)
{
	static const uint8_t mac[6] = {0x00, 0x16, 0x3e, 0x0a, 0xff, 0x01};
	static const char *const bad[] = {"",
					  "00:16:3e:0a:ff",
					  "00:16:3e:0a:ff:1",
					  "00:16:3e:0a:ff:01:",
					  "00:16:3e:0a:ff:01:02",
					  "00-16-3e-0a-ff-01",
					  "0:016:3e:0a:ff:01",
					  "+0:16:3e:0a:ff:01",
					  "0x:16:3e:0a:ff:01",
					  "00:16:3e:0a:ff:0g"};
	char text[MAC_TEXT];
	uint8_t read[6];

	(void)state;
	mac_print(mac, text);
	assert_string_equal(text, "00:16:3e:0a:ff:01");
	assert_int_equal(mac_read(text, read), 0);
	assert_memory_equal(read, mac, 6);
	assert_int_equal(mac_read("00:16:3E:0A:FF:01", read), 0);
	assert_memory_equal(read, mac, 6);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(mac_read(bad[i], read), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(uuids_are_printed_and_read),
		cmocka_unit_test(other_forms_of_uuids_are_refused),
		cmocka_unit_test(random_uuids_say_that_they_are),
		cmocka_unit_test(macs_are_printed_and_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
