/* SPDX-License-Identifier: BSD-3-Clause */
/* Dumps of rtnetlink: what a network namespace has. */
#include "oci/network.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

static int ask(int s, uint16_t type, struct err *e)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg any; /* all heads begin with a family, and this has room for any */
		uint32_t more;
	} rq = {.h = {.nlmsg_len = sizeof(rq),
		      .nlmsg_type = type,
		      .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP,
		      .nlmsg_seq = type}};

	if (type == RTM_GETADDR)
		rq.h.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifaddrmsg));
	else if (type == RTM_GETROUTE)
		rq.h.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg));
	return send(s, &rq, rq.h.nlmsg_len, 0) < 0 ? err_sys(e, errno, "rtnetlink") : 0;
}

static const struct nlmsghdr *next(const struct nlmsghdr *h, int *left)
{
	size_t len = NLMSG_ALIGN(h->nlmsg_len);

	*left -= (int)len;
	return (const void *)((const char *)h + len);
}

static int dump(struct network *n, int s, uint16_t type, struct err *e)
{
	static uint8_t answer[65536] __attribute__((aligned(NLMSG_ALIGNTO)));
	int rc = ask(s, type, e);

	while (rc == 0) {
		int got = (int)recv(s, answer, sizeof(answer), 0);
		const struct nlmsghdr *h = (const void *)answer;

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return err_sys(e, got < 0 ? errno : EIO, "rtnetlink");
		for (; rc == 0 && got >= (int)sizeof(*h) && NLMSG_OK(h, (uint32_t)got);
		     h = next(h, &got)) {
			if (h->nlmsg_seq != type)
				continue;
			if (h->nlmsg_type == NLMSG_DONE)
				return 0;
			if (h->nlmsg_type == NLMSG_ERROR)
				return err_set(e, EIO, "rtnetlink: the kernel refused the request");
			rc = network_take(n, h, e);
		}
	}
	return rc;
}

/* A gateway is reached by a route without one, which comes first. */
static void order(struct network *n)
{
	uint32_t to = 0;

	for (int with = 0; with < 2; with++)
		for (uint32_t i = to; i < n->nitem; i++) {
			char *item = n->item[i];
			const char *by = strchr(strchr(strchr(item, ' ') + 1, ' ') + 1, ' ');

			if (with == 0 && strncmp(item, "to ", 3) == 0 && by && by[1] != '-')
				continue;
			memmove(n->item + to + 1, n->item + to, (i - to) * sizeof(*n->item));
			n->item[to++] = item;
		}
}

int network_read(struct network *n, struct err *e)
{
	static const uint16_t types[] = {RTM_GETLINK, RTM_GETADDR, RTM_GETROUTE};
	int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int rc = s < 0 ? err_sys(e, errno, "rtnetlink") : 0;

	memset(n, 0, sizeof(*n));
	for (size_t i = 0; rc == 0 && i < sizeof(types) / sizeof(types[0]); i++)
		rc = dump(n, s, types[i], e);
	if (s >= 0)
		(void)close(s);
	if (rc == 0)
		order(n);
	return rc < 0 ? err_wrap(e, rc, "the container's network") : 0;
}
