/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826), echo of ICMP (RFC 792) and of UDP (RFC 862), in the frame that asked. */
#include "answer.h"

#include <string.h>

#define ETH	 14u
#define ARP_LEN	 28u
#define UDP_PORT 7

static uint32_t be16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static void swap(uint8_t *a, uint8_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		uint8_t t = a[i];

		a[i] = b[i];
		b[i] = t;
	}
}

static uint32_t arp(const struct answer_host *me, uint8_t *frame, uint32_t len)
{
	static const uint8_t ask[8] = {0, 1, 8, 0, 6, 4, 0, 1}; /* Ethernet, IPv4, request */
	uint8_t *a = frame + ETH;

	if (len < ETH + ARP_LEN || memcmp(a, ask, 8) != 0 || memcmp(a + 24, me->ip, 4) != 0)
		return 0;
	a[7] = 2;
	memcpy(a + 18, a + 8, 10); /* the target is the sender */
	memcpy(a + 8, me->mac, 6);
	memcpy(a + 14, me->ip, 4);
	return ETH + ARP_LEN;
}

static void checksum(uint8_t *field, const uint8_t *data, uint32_t len)
{
	uint32_t sum = 0;

	field[0] = field[1] = 0;
	for (uint32_t i = 0; i < len; i++)
		sum += i % 2 ? data[i] : (uint32_t)data[i] << 8;
	sum = (sum >> 16) + (sum & 0xffff);
	sum = ~((sum >> 16) + sum);
	field[0] = (uint8_t)(sum >> 8);
	field[1] = (uint8_t)sum;
}

static uint32_t ip(const struct answer_host *me, uint8_t *frame, uint32_t len)
{
	uint8_t *h = frame + ETH;
	uint32_t header;
	uint32_t total;
	uint8_t *body;

	if (len < ETH + 20 || h[0] >> 4 != 4)
		return 0;
	header = (h[0] & 15) * 4u;
	total = be16(h + 2);
	if (header < 20 || total < header + 8 || total > len - ETH || be16(h + 6) & 0x3fff ||
	    memcmp(h + 16, me->ip, 4) != 0)
		return 0;
	body = h + header;
	if (h[9] == 1 && body[0] == 8) {
		body[0] = 0;
		checksum(body + 2, body, total - header);
	} else if (h[9] == 17 && be16(body + 2) == UDP_PORT && be16(body) > 1023) {
		swap(body, body + 2, 2);
		body[6] = body[7] = 0; /* none: IPv4 allows it */
	} else {
		return 0;
	}
	swap(h + 12, h + 16, 4); /* the header's sum stays what it is */
	return ETH + total;
}

uint32_t answer_frame(const struct answer_host *me, uint8_t *frame, uint32_t len)
{
	uint32_t n;

	if (len < ETH || (memcmp(frame, me->mac, 6) != 0 && !(frame[0] & 1)))
		return 0;
	if (be16(frame + 12) == 0x0806)
		n = arp(me, frame, len);
	else
		n = be16(frame + 12) == 0x0800 ? ip(me, frame, len) : 0;
	if (n) {
		memcpy(frame, frame + 6, 6);
		memcpy(frame + 6, me->mac, 6);
	}
	return n;
}

bool answer_address(const char *text, uint32_t len, uint8_t address[4])
{
	uint32_t at = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t v = 0;
		uint32_t start = at;

		for (; at < len && text[at] >= '0' && text[at] <= '9' && v < 256; at++)
			v = v * 10 + (uint32_t)(text[at] - '0');
		if (at == start || v > 255)
			return false;
		address[i] = (uint8_t)v;
		if (i < 3 && (at == len || text[at++] != '.'))
			return false;
	}
	return at == len || text[at] == '/';
}
