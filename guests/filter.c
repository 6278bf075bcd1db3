/* SPDX-License-Identifier: BSD-3-Clause */
/* From a frame's first bytes to protocol and port (RFC 791, RFC 8200), and through the rules. */
#include "filter.h"

#include <string.h>

#define PROTO_TCP 6
#define PROTO_UDP 17

static const struct {
	const char *name;
	uint8_t number;
	bool ports;
} protos[] = {
	{"tcp", PROTO_TCP, true},
	{"udp", PROTO_UDP, true},
	{"icmp", 1, false},
	{"icmp6", 58, false},
};

/* --- rules --- */

/* Digits at text[*at] as a port. */
static bool port(const char *text, size_t len, size_t *at, uint16_t *value)
{
	size_t start = *at;
	uint32_t v = 0;

	for (; *at < len && text[*at] >= '0' && text[*at] <= '9' && v < 65536; ++*at)
		v = v * 10 + (uint32_t)(text[*at] - '0');
	*value = (uint16_t)v;
	return *at > start && v < 65536;
}

bool filter_add(struct filter *f, bool allow, const char *text, size_t len)
{
	struct filter_rule r = {.allow = allow, .last = 65535};
	size_t at = 0;

	while (at < len && text[at] != '/')
		at++;
	for (size_t i = 0; i < sizeof(protos) / sizeof(protos[0]); i++)
		if (strlen(protos[i].name) == at && memcmp(protos[i].name, text, at) == 0 &&
		    (at == len || protos[i].ports))
			r.proto = protos[i].number;
	if (!r.proto || f->n == FILTER_RULES)
		return false;
	if (at < len) {
		at++;
		if (!port(text, len, &at, &r.first))
			return false;
		r.last = r.first;
		if (at < len && text[at] == '-') {
			at++;
			if (!port(text, len, &at, &r.last))
				return false;
		}
		if (at < len || r.last < r.first)
			return false;
	}
	f->rule[f->n++] = r;
	return true;
}

/* --- frames --- */

/* What of a packet rules are about. */
struct packet {
	uint8_t proto;
	bool later; /* a fragment without ports */
	uint16_t port;
};

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* Transport at head[at]: its destination port. */
static bool transport(const uint8_t *head, uint32_t have, uint32_t at, struct packet *p)
{
	if (p->later || (p->proto != PROTO_TCP && p->proto != PROTO_UDP))
		return true;
	if (at + 4 > have)
		return false;
	p->port = be16(head + at + 2);
	return true;
}

static bool ipv4(const uint8_t *head, uint32_t have, uint32_t at, struct packet *p)
{
	uint32_t header;

	if (at + 20 > have || head[at] >> 4 != 4)
		return false;
	header = (head[at] & 15) * 4u;
	if (header < 20 || at + header > have || be16(head + at + 2) < header)
		return false;
	p->proto = head[at + 9];
	p->later = be16(head + at + 6) & 0x1fff;
	/* ports that lie behind the packet's end are no ports */
	if (!p->later && (p->proto == PROTO_TCP || p->proto == PROTO_UDP) &&
	    be16(head + at + 2) < header + 4)
		return false;
	return transport(head, have, at + header, p);
}

/* Past extension headers: hop-by-hop 0, routing 43, fragment 44, authentication 51, options 60. */
static bool ipv6(const uint8_t *head, uint32_t have, uint32_t at, struct packet *p)
{
	if (at + 40 > have || head[at] >> 4 != 6)
		return false;
	p->proto = head[at + 6];
	at += 40;
	while (p->proto == 0 || p->proto == 43 || p->proto == 44 || p->proto == 51 ||
	       p->proto == 60) {
		uint8_t this = p->proto;

		if (at + 8 > have)
			return false;
		p->proto = head[at];
		if (this == 44) {
			p->later = be16(head + at + 2) & 0xfff8;
			if (p->later) /* what follows belongs to the first fragment */
				return true;
			at += 8;
		} else if (this == 51) {
			at += (head[at + 1] + 2u) * 4;
		} else {
			at += (head[at + 1] + 1u) * 8;
		}
	}
	return transport(head, have, at, p);
}

static bool matches(const struct filter_rule *r, const struct packet *p)
{
	if (r->proto != p->proto)
		return false;
	if (r->first == 0 && r->last == 65535)
		return true;
	return p->later ? r->allow : p->port >= r->first && p->port <= r->last;
}

enum filter_verdict filter_frame(const struct filter *f, const uint8_t *head, uint32_t have,
				 uint32_t len)
{
	enum filter_verdict rest = f->deny_rest ? FILTER_DENY : FILTER_PASS;
	struct packet p = {0};
	uint32_t at = 12;
	uint16_t type;

	if (have < 14 || have > len)
		return FILTER_MALFORMED;
	type = be16(head + at);
	for (int tags = 0; tags < 2 && (type == 0x8100 || type == 0x88a8); tags++) {
		at += 4;
		if (at + 2 > have)
			return FILTER_MALFORMED;
		type = be16(head + at);
	}
	at += 2;
	if (type == 0x0806)
		return FILTER_PASS;
	if (type != 0x0800 && type != 0x86dd)
		return type == 0x8100 || type == 0x88a8 ? FILTER_MALFORMED : rest;
	if (!(type == 0x0800 ? ipv4(head, have, at, &p) : ipv6(head, have, at, &p)))
		return FILTER_MALFORMED;
	for (uint32_t i = 0; i < f->n; i++)
		if (matches(&f->rule[i], &p))
			return f->rule[i].allow ? FILTER_PASS : FILTER_DENY;
	return rest;
}
