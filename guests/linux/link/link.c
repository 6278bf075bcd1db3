/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames, and messages that are sent again. */
#include "guests/linux/link/link.h"

#include <errno.h>
#include <string.h>

enum { HELLO = 1, WELCOME, DATA, ACK, CALL, BELL };

#define HELLO_LEN 14u /* kind, version, number, expected */
#define DATA_HEAD 11u /* kind, number, acknowledged, type, session */
#define ACK_LEN	  5u

static uint32_t crc32_of(const uint8_t *data, size_t len)
{
	static const uint32_t nibble[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
					    0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
					    0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
					    0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
	uint32_t crc = ~0u;

	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		crc = crc >> 4 ^ nibble[crc & 15];
		crc = crc >> 4 ^ nibble[crc & 15];
	}
	return ~crc;
}

static void put64(uint8_t *to, uint64_t v)
{
	link_put32(to, (uint32_t)v);
	link_put32(to + 4, (uint32_t)(v >> 32));
}

static uint64_t get64(const uint8_t *from)
{
	return link_get32(from) | (uint64_t)link_get32(from + 4) << 32;
}

/* --- frames --- */

/* Encodes without zero bytes: each run of others is led by its length and one. */
static size_t encode(const uint8_t *from, size_t len, uint8_t *to)
{
	size_t lead = 0;
	size_t n = 1;

	for (size_t i = 0; i < len; i++) {
		if (from[i])
			to[n++] = from[i];
		if (!from[i] || n - lead == 255) {
			to[lead] = (uint8_t)(n - lead);
			lead = n++;
		}
	}
	to[lead] = (uint8_t)(n - lead);
	return n;
}

/* In place; 0: it is no such text. */
static size_t decode(uint8_t *at, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len;) {
		size_t run = at[i++];

		if (run == 0 || run - 1 > len - i)
			return 0;
		memmove(at + n, at + i, run - 1);
		n += run - 1;
		i += run - 1;
		if (run < 255 && i < len)
			at[n++] = 0;
	}
	return n;
}

static uint32_t frame_bytes(uint32_t body)
{
	return body + 4 + (body + 4) / 254 + 3;
}

static void send_frame(struct link *l, uint8_t *body, uint32_t len)
{
	uint8_t frame[LINK_FRAME + 8];
	size_t n;

	link_put32(body + len, crc32_of(body, len));
	frame[0] = 0;
	n = 1 + encode(body, len + 4, frame + 1);
	frame[n++] = 0;
	l->ops->out(l->arg, frame, n);
}

static void send_hello(struct link *l, uint8_t kind)
{
	uint8_t body[HELLO_LEN + 4];

	body[0] = kind;
	body[1] = LINK_VERSION;
	put64(body + 2, l->number);
	link_put32(body + 10, l->expected);
	send_frame(l, body, HELLO_LEN);
}

static void send_kept(struct link *l, uint32_t number)
{
	struct link_kept *k = &l->kept[number % LINK_KEPT];

	link_put32(k->body + 5, l->expected);
	l->owes = false;
	send_frame(l, k->body, k->len);
}

/* An ACK, a CALL or a BELL, which are as long. */
static void send_short(struct link *l, uint8_t kind)
{
	uint8_t body[ACK_LEN + 4];

	l->owes = false;
	body[0] = kind;
	link_put32(body + 1, l->expected);
	send_frame(l, body, ACK_LEN);
}

/* --- messages --- */

void link_init(struct link *l, bool host, const struct link_ops *ops, void *arg)
{
	memset(l, 0, sizeof(*l));
	l->host = host;
	l->ops = ops;
	l->arg = arg;
	l->window = host ? LINK_WINDOW_HOST : LINK_WINDOW_GUEST;
}

bool link_has_room(const struct link *l, size_t len)
{
	if (l->ring)
		return len <= LINK_MESSAGE && ring_room(l->ring) >= len;
	return l->next - l->acked < LINK_KEPT && len <= LINK_MESSAGE &&
	       l->flying + frame_bytes((uint32_t)len + DATA_HEAD) <= l->window;
}

static void send_by_ring(struct link *l, uint8_t type, uint8_t session, const void *data,
			 uint32_t len)
{
	struct iovec to[2];

	(void)ring_place(l->ring, len, to);
	if (len) {
		memcpy(to[0].iov_base, data, to[0].iov_len);
		memcpy(to[1].iov_base, (const uint8_t *)data + to[0].iov_len, to[1].iov_len);
	}
	if (ring_commit(l->ring, type, session, len))
		link_bell(l);
}

int link_send(struct link *l, uint8_t type, uint8_t session, const void *data, size_t len)
{
	struct link_kept *k = &l->kept[l->next % LINK_KEPT];

	if (len > LINK_MESSAGE)
		return -EMSGSIZE;
	if (!link_has_room(l, len))
		return -EAGAIN;
	if (l->ring) {
		send_by_ring(l, type, session, data, (uint32_t)len);
		return 0;
	}
	k->len = DATA_HEAD + (uint32_t)len;
	k->body[0] = DATA;
	link_put32(k->body + 1, l->next);
	k->body[9] = type;
	k->body[10] = session;
	if (len)
		memcpy(k->body + DATA_HEAD, data, len);
	l->flying += frame_bytes(k->len);
	l->next++;
	if (l->up)
		send_kept(l, l->next - 1);
	return 0;
}

/* The other end has all before `number`. */
static bool acknowledged(struct link *l, uint32_t number)
{
	if (number - l->acked > l->next - l->acked)
		return false;
	for (; l->acked != number; l->acked++)
		l->flying -= frame_bytes(l->kept[l->acked % LINK_KEPT].len);
	return true;
}

static void send_all(struct link *l)
{
	l->up = true;
	for (uint32_t i = l->acked; i != l->next; i++)
		send_kept(l, i);
	if (!l->ring)
		return;
	link_bell(l);
	l->ops->bell(l->arg);
}

static void forget(struct link *l)
{
	l->acked = l->next = l->expected = 0;
	l->flying = 0;
	l->up = l->owes = false;
}

void link_begin(struct link *l, uint64_t number)
{
	l->number = number;
	l->up = false;
	link_again(l);
}

void link_again(struct link *l)
{
	l->up = false;
	l->asked = true;
	l->in_len = 0;
	l->skip = false;
	send_hello(l, HELLO);
}

void link_call(struct link *l)
{
	send_short(l, CALL);
}

void link_bell(struct link *l)
{
	if (l->up)
		send_short(l, BELL);
}

static void on_hello(struct link *l, const uint8_t *body)
{
	uint64_t number = get64(body + 2);

	if (l->host || body[1] != LINK_VERSION)
		return;
	if (number != l->number) {
		forget(l);
		l->number = number;
		l->ops->begun(l->arg);
	}
	if (!acknowledged(l, link_get32(body + 10)))
		return;
	send_hello(l, WELCOME);
	send_all(l);
}

static void on_welcome(struct link *l, const uint8_t *body)
{
	if (!l->host || body[1] != LINK_VERSION || get64(body + 2) != l->number || !l->asked)
		return;
	if (!acknowledged(l, link_get32(body + 10)))
		return;
	l->asked = false;
	send_all(l);
	l->ops->begun(l->arg);
}

static void on_data(struct link *l, const uint8_t *body, size_t len)
{
	uint32_t number = link_get32(body + 1);

	if (!l->up || !acknowledged(l, link_get32(body + 5)))
		return;
	if (number == l->expected) {
		l->expected++;
		l->owes = true;
		l->ops->message(l->arg, body[9], body[10], body + DATA_HEAD, len - DATA_HEAD);
	} else if (number - l->expected > 1u << 31) {
		l->owes = true; /* it came twice */
	} else if (l->host) {
		link_again(l); /* some are missing */
	}
}

static void on_frame(struct link *l)
{
	size_t len = decode(l->in, l->in_len);

	if (len < ACK_LEN + 4 || crc32_of(l->in, len - 4) != link_get32(l->in + len - 4))
		return;
	len -= 4;
	if (l->in[0] == HELLO && len == HELLO_LEN)
		on_hello(l, l->in);
	else if (l->in[0] == WELCOME && len == HELLO_LEN)
		on_welcome(l, l->in);
	else if (l->in[0] == DATA && len >= DATA_HEAD && len <= DATA_HEAD + LINK_MESSAGE)
		on_data(l, l->in, len);
	else if (l->in[0] == ACK && len == ACK_LEN && l->up)
		(void)acknowledged(l, link_get32(l->in + 1));
	else if (l->in[0] == BELL && len == ACK_LEN && l->up && l->ring)
		l->ops->bell(l->arg);
	else if (l->in[0] == CALL && len == ACK_LEN && l->host && !l->up)
		link_again(l);
}

void link_input(struct link *l, const uint8_t *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (bytes[i]) {
			l->skip = l->skip || l->in_len == sizeof(l->in);
			if (!l->skip)
				l->in[l->in_len++] = bytes[i];
			continue;
		}
		if (!l->skip && l->in_len)
			on_frame(l);
		l->in_len = 0;
		l->skip = false;
	}
	if (l->owes && l->up)
		send_short(l, ACK);
}
