/* SPDX-License-Identifier: BSD-3-Clause */
/* Any bytes as messages of rtnetlink about a container's network namespace. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "oci/network.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct network *n)
{
	if (n->n > NETWORK_MAX)
		abort();
	for (uint32_t i = 0; i < n->n; i++) {
		const struct network_interface *f = &n->interface[i];

		if (!memchr(f->name, 0, sizeof(f->name)) || strpbrk(f->name, " ,'\"\\="))
			abort();
		for (int v = 0; v < 2; v++)
			if (!memchr(f->ip[v], 0, sizeof(f->ip[v])) ||
			    !memchr(f->gateway[v], 0, sizeof(f->gateway[v])))
				abort();
	}
	for (uint32_t i = 0; i < n->nitem; i++)
		if (!n->item[i] || !strchr(n->item[i], ' '))
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t types[] = {RTM_NEWLINK, RTM_NEWADDR, RTM_NEWROUTE, RTM_DELLINK};
	struct network n = {0};

	/* each in memory of its own, so that a look behind it is seen */
	while (size >= 2) {
		size_t len = data[1];
		struct nlmsghdr *h;

		len = len < size - 2 ? len : size - 2;
		h = calloc(1, sizeof(*h) + len);
		if (!h)
			abort();
		h->nlmsg_type = types[data[0] & 3];
		h->nlmsg_len = (uint32_t)(sizeof(*h) + len);
		memcpy(NLMSG_DATA(h), data + 2, len);
		(void)network_take(&n, h, NULL);
		free(h);
		check(&n);
		data += 2 + len;
		size -= 2 + len;
	}
	network_free(&n);
	return 0;
}
