/* SPDX-License-Identifier: BSD-3-Clause */
/* The store's ring and its messages (Xen public/io/xs_wire.h). Pure: also compiled for units. */
#include "classic.h"

int wire_put(volatile struct xenstore_domain_interface *ring, const void *data, size_t len)
{
	uint32_t cons = __atomic_load_n(&ring->req_cons, __ATOMIC_ACQUIRE);
	uint32_t prod = ring->req_prod;
	const char *from = data;
	size_t n = 0;

	if (prod - cons > XENSTORE_RING_SIZE)
		return -1;
	for (; n < len && prod - cons < XENSTORE_RING_SIZE; n++)
		ring->req[MASK_XENSTORE_IDX(prod++)] = from[n];
	__atomic_store_n(&ring->req_prod, prod, __ATOMIC_RELEASE);
	return (int)n;
}

int wire_get(volatile struct xenstore_domain_interface *ring, void *data, size_t len)
{
	uint32_t prod = __atomic_load_n(&ring->rsp_prod, __ATOMIC_ACQUIRE);
	uint32_t cons = ring->rsp_cons;
	char *to = data;
	size_t n = 0;

	if (prod - cons > XENSTORE_RING_SIZE)
		return -1;
	while (n < len && cons != prod)
		to[n++] = ring->rsp[MASK_XENSTORE_IDX(cons++)];
	__atomic_store_n(&ring->rsp_cons, cons, __ATOMIC_RELEASE);
	return (int)n;
}

enum wire_kind wire_kind(const struct xsd_sockmsg *head, uint32_t type, uint32_t req_id)
{
	if (head->len > XENSTORE_PAYLOAD_MAX)
		return WIRE_BROKEN;
	if (head->type == XS_WATCH_EVENT)
		return WIRE_EVENT;
	if (head->req_id != req_id || (head->type != type && head->type != XS_ERROR))
		return WIRE_BROKEN;
	return WIRE_REPLY;
}

int wire_error(const char *text, size_t len)
{
	if (len >= 6 && memcmp(text, "ENOENT", 6) == 0)
		return KIT_STORE_ENOENT;
	if (len >= 6 && memcmp(text, "EAGAIN", 6) == 0)
		return KIT_STORE_EAGAIN;
	return KIT_STORE_ERROR;
}

bool classic_mac(const char *text, uint8_t mac[6])
{
	for (int i = 0; i < 18; i++) {
		int digit;

		if (i % 3 == 2) {
			if (text[i] != (i == 17 ? '\0' : ':'))
				return false;
			continue;
		}
		if (text[i] >= '0' && text[i] <= '9')
			digit = text[i] - '0';
		else if ((text[i] | 32) >= 'a' && (text[i] | 32) <= 'f')
			digit = (text[i] | 32) - 'a' + 10;
		else
			return false;
		mac[i / 3] = (uint8_t)(mac[i / 3] << 4 | digit);
	}
	return true;
}

uint64_t classic_number(const char *text, uint64_t none)
{
	uint64_t value = 0;

	if (!*text)
		return none;
	for (; *text; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (*text < '0' || *text > '9' || value > (UINT64_MAX - digit) / 10)
			return none;
		value = value * 10 + digit;
	}
	return value;
}
