/* SPDX-License-Identifier: BSD-3-Clause */
/* The agent's channel, both ends: any bytes, and the other end's with some of them lost. */
#include <stdlib.h>
#include <string.h>

#include "guests/linux/link/link.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct end {
	struct link link;
	uint8_t out[65536];
	size_t len;
	uint32_t expected;
};

static void out(void *arg, const void *bytes, size_t len)
{
	struct end *e = arg;

	if (len > sizeof(e->out) - e->len)
		return;
	memcpy(e->out + e->len, bytes, len);
	e->len += len;
}

static void message(void *arg, uint8_t type, uint8_t session, const uint8_t *data, size_t len)
{
	(void)arg;
	(void)type;
	(void)session;
	if (len > LINK_MESSAGE || (len && data[0] + data[len - 1] > 510))
		abort();
}

static void begun(void *arg)
{
	(void)arg;
}

static const struct link_ops ops = {out, message, begun};

/* What one has written goes to the other, but for `lost` bytes from `at` on. */
static void carry(struct end *from, struct end *to, size_t at, size_t lost)
{
	static uint8_t bytes[65536];
	size_t len = from->len;

	memcpy(bytes, from->out, len);
	from->len = 0;
	at = at < len ? at : len;
	link_input(&to->link, bytes, at);
	if (len - at > lost)
		link_input(&to->link, bytes + at + lost, len - at - lost);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct end host, guest;

	host.len = guest.len = 0;
	link_init(&host.link, true, &ops, &host);
	link_init(&guest.link, false, &ops, &guest);
	link_begin(&host.link, 1);
	while (size >= 4) {
		size_t n = data[1];

		n = n < size - 4 ? n : size - 4;
		switch (data[0] & 7) {
		case 0:
			link_input(&host.link, data + 4, n);
			break;
		case 1:
			link_input(&guest.link, data + 4, n);
			break;
		case 2:
			(void)link_send(&host.link, data[2], data[3], data + 4, n);
			break;
		case 3:
			(void)link_send(&guest.link, data[2], data[3], data + 4, n);
			break;
		case 4:
			link_again(&host.link);
			break;
		case 5:
			carry(&host, &guest, (size_t)data[2] << 2, data[3]);
			break;
		default:
			carry(&guest, &host, (size_t)data[2] << 2, data[3]);
			break;
		}
		data += 4 + n;
		size -= 4 + n;
	}
	return 0;
}
