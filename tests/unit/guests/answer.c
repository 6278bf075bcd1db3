/* SPDX-License-Identifier: BSD-3-Clause */
/* xsdev's answers to ARP, ping and UDP echo. */
#include "guests/answer.h"

#include <string.h>

#include "tests/unit/unit.h"

static const struct answer_host me = {{0, 0x16, 0x3e, 1, 2, 3}, {10, 0, 0, 2}};
static const uint8_t peer_mac[6] = {2, 0, 0, 0, 0, 9};
static const uint8_t peer_ip[4] = {10, 0, 0, 1};

static void addressed(uint8_t *frame, uint32_t type)
{
	memset(frame, 0, 128);
	memcpy(frame, me.mac, 6);
	memcpy(frame + 6, peer_mac, 6);
	frame[12] = (uint8_t)(type >> 8);
	frame[13] = (uint8_t)type;
}

static uint32_t sum16(const uint8_t *p, uint32_t len)
{
	uint32_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? p[i] : (uint32_t)p[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

/* A packet of `body` bytes behind 20 of header. */
static uint32_t packet(uint8_t *frame, uint8_t proto, uint8_t body)
{
	addressed(frame, 0x0800);
	frame[14] = 0x45;
	frame[17] = (uint8_t)(20 + body);
	frame[23] = proto;
	memcpy(frame + 26, peer_ip, 4);
	memcpy(frame + 30, me.ip, 4);
	return 34u + body;
}

static void arp_is_answered(void **state)
{
	static const uint8_t head[8] = {0, 1, 8, 0, 6, 4, 0, 1};
	uint8_t frame[128];

	(void)state;
	addressed(frame, 0x0806);
	memset(frame, 255, 6);
	memcpy(frame + 14, head, 8);
	memcpy(frame + 22, peer_mac, 6);
	memcpy(frame + 28, peer_ip, 4);
	memcpy(frame + 38, me.ip, 4);
	assert_int_equal(answer_frame(&me, frame, 41), 0);
	assert_int_equal(answer_frame(&me, frame, 60), 42);
	assert_int_equal(frame[21], 2);
	assert_memory_equal(frame, peer_mac, 6);
	assert_memory_equal(frame + 6, me.mac, 6);
	assert_memory_equal(frame + 22, me.mac, 6);
	assert_memory_equal(frame + 28, me.ip, 4);
	assert_memory_equal(frame + 32, peer_mac, 6);
	assert_memory_equal(frame + 38, peer_ip, 4);
	assert_int_equal(answer_frame(&me, frame, 60), 0); /* an answer is no question */
}

static void pings_come_back(void **state)
{
	uint8_t frame[128];
	uint32_t len = packet(frame, 1, 31); /* odd */

	(void)state;
	frame[34] = 8;
	memset(frame + 38, 0xab, 27);
	assert_int_equal(answer_frame(&me, frame, len), len);
	assert_int_equal(frame[34], 0);
	assert_int_equal(sum16(frame + 34, 31), 0xffff);
	assert_memory_equal(frame + 26, me.ip, 4);
	assert_memory_equal(frame + 30, peer_ip, 4);
	assert_memory_equal(frame, peer_mac, 6);
}

static void datagrams_come_back(void **state)
{
	uint8_t frame[128];
	uint32_t len = packet(frame, 17, 20);

	(void)state;
	frame[34] = 0x80;
	frame[37] = 7;
	frame[40] = 0x12;				     /* some checksum */
	assert_int_equal(answer_frame(&me, frame, 80), len); /* padding is cut */
	assert_int_equal(frame[35], 7);
	assert_int_equal(frame[36], 0x80);
	assert_int_equal(frame[40], 0);
	packet(frame, 17, 20);
	frame[35] = 7; /* from a small service */
	frame[37] = 7;
	assert_int_equal(answer_frame(&me, frame, len), 0);
}

static void the_rest_is_silence(void **state)
{
	uint8_t frame[128];
	uint32_t len = packet(frame, 1, 8);

	(void)state;
	frame[34] = 8;
	for (uint32_t i = 0; i < len; i++)
		assert_int_equal(answer_frame(&me, frame, i), 0);
	frame[20] = 0x20; /* a fragment */
	assert_int_equal(answer_frame(&me, frame, len), 0);
	frame[20] = 0;
	frame[33] = 3; /* for another address */
	assert_int_equal(answer_frame(&me, frame, len), 0);
	frame[33] = 2;
	frame[0] = 2; /* for another card */
	assert_int_equal(answer_frame(&me, frame, len), 0);
	frame[0] = 0;
	frame[14] = 0x4f; /* header longer than the packet */
	assert_int_equal(answer_frame(&me, frame, len), 0);
	frame[14] = 0x45;
	assert_int_equal(answer_frame(&me, frame, len), len);
}

static void addresses_are_read_strictly(void **state)
{
	uint8_t ip[4];

	(void)state;
	assert_true(answer_address("10.0.255.2", 10, ip));
	assert_int_equal(ip[2], 255);
	assert_true(answer_address("10.0.0.2/24", 11, ip));
	assert_true(answer_address("10.0.0.23", 8, ip));
	assert_int_equal(ip[3], 2);
	assert_false(answer_address("10.0.0", 6, ip));
	assert_false(answer_address("10.0.0.", 7, ip));
	assert_false(answer_address("10.0.0.256", 10, ip));
	assert_false(answer_address("10.0.0.1x", 9, ip));
	assert_false(answer_address("", 0, ip));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arp_is_answered),
		cmocka_unit_test(pings_come_back),
		cmocka_unit_test(datagrams_come_back),
		cmocka_unit_test(the_rest_is_silence),
		cmocka_unit_test(addresses_are_read_strictly),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
