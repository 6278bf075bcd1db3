/* SPDX-License-Identifier: BSD-3-Clause */
/* rtnetlink: requests to the kernel about interfaces, and their answers. */
#include "dom0/link_ask.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

#define ANSWER	    16384u /* one interface without its counters takes 1 to 2 KiB */
#define REQUEST	    512u
#define BRIDGE_FULL "a bridge has room for 1024 ports; use another bridge"

struct link {
	struct nl_sock *sock;
	int fd;
	uint32_t seq;
	char said[128]; /* the kernel's text for its last error, or "" */
	uint8_t answer[ANSWER] __attribute__((aligned(NLMSG_ALIGNTO)));
};

int link_open(struct link **out, struct err *e)
{
	struct link *l = calloc(1, sizeof(*l));
	int on = 1;
	int rc;

	*out = NULL;
	if (!l)
		return err_set(e, ENOMEM, "out of memory");
	l->sock = nl_socket_alloc();
	if (!l->sock) {
		free(l);
		return err_set(e, ENOMEM, "out of memory");
	}
	rc = nl_connect(l->sock, NETLINK_ROUTE);
	if (rc < 0) {
		rc = err_set(e, EIO, "rtnetlink: %s", nl_geterror(rc));
		link_close(l);
		return rc;
	}
	l->fd = nl_socket_get_fd(l->sock);
	/* Asks the kernel for error texts, and for errors without a copy of the request. Older
	 * kernels do not support that. */
	(void)setsockopt(l->fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	(void)setsockopt(l->fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*out = l;
	return 0;
}

void link_close(struct link *l)
{
	if (!l)
		return;
	nl_socket_free(l->sock);
	free(l);
}

bool link_name_valid(const char *name)
{
	size_t len = strnlen(name, LINK_NAME);

	if (len == 0 || len >= LINK_NAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return false;
	for (size_t i = 0; i < len; i++)
		if (name[i] <= ' ' || name[i] > '~' || strchr("/:%", name[i]))
			return false;
	return true;
}

struct nl_msg *link_request(struct link *l, int type, int flags, const void *header, size_t len)
{
	struct nl_msg *m = nlmsg_alloc_size(REQUEST);

	if (!m)
		return NULL;
	if (!nlmsg_put(m, NL_AUTO_PORT, ++l->seq, type, (int)len, NLM_F_REQUEST | flags)) {
		nlmsg_free(m);
		return NULL;
	}
	memcpy(nlmsg_data(nlmsg_hdr(m)), header, len);
	return m;
}

static struct nl_msg *request(struct link *l, int type, int flags, const struct ifinfomsg *i)
{
	return link_request(l, type, flags, i, sizeof(*i));
}

const char *link_why(const struct link *l, int rc)
{
	return l->said[0] ? l->said : strerror(-rc);
}

/* The kernel's error text, which follows the error of the request. */
static void note_words(struct link *l, struct nlmsghdr *h)
{
	struct nlattr *tb[NLMSGERR_ATTR_MAX + 1];

	if (!(h->nlmsg_flags & NLM_F_ACK_TLVS) ||
	    nlmsg_parse(h, sizeof(struct nlmsgerr), tb, NLMSGERR_ATTR_MAX, NULL) < 0)
		return;
	if (tb[NLMSGERR_ATTR_MSG])
		(void)nla_strlcpy(l->said, tb[NLMSGERR_ATTR_MSG], sizeof(l->said));
}

int link_ask(struct link *l, struct nl_msg *m, int type, struct nlmsghdr **h)
{
	struct nlmsghdr *req = nlmsg_hdr(m);
	ssize_t n;

	*h = NULL;
	l->said[0] = '\0';
	do
		n = send(l->fd, req, req->nlmsg_len, 0);
	while (n < 0 && errno == EINTR);
	nlmsg_free(m);
	if (n < 0)
		return -errno;
	for (;;) {
		int left;

		n = recv(l->fd, l->answer, sizeof(l->answer), MSG_TRUNC);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if ((size_t)n > sizeof(l->answer))
			return -EMSGSIZE;
		left = (int)n;
		for (struct nlmsghdr *a = (struct nlmsghdr *)(void *)l->answer; nlmsg_ok(a, left);
		     a = nlmsg_next(a, &left)) {
			const struct nlmsgerr *said = nlmsg_data(a);

			if (a->nlmsg_seq != l->seq) /* an answer to a request that was given up */
				continue;
			if (a->nlmsg_type == NLMSG_ERROR &&
			    nlmsg_datalen(a) >= (int)sizeof(*said)) {
				note_words(l, a);
				return said->error;
			}
			if (a->nlmsg_type == type) {
				*h = a;
				return 0;
			}
		}
	}
}

static int read_info(struct nlmsghdr *h, struct link_info *out)
{
	const struct ifinfomsg *i = nlmsg_data(h);
	struct nlattr *kind[IFLA_INFO_MAX + 1];
	struct nlattr *tb[IFLA_MAX + 1];

	memset(out, 0, sizeof(*out));
	if (nlmsg_datalen(h) < (int)sizeof(*i) ||
	    nlmsg_parse(h, sizeof(*i), tb, IFLA_MAX, NULL) < 0 || !tb[IFLA_IFNAME])
		return -EPROTO;
	out->ifindex = i->ifi_index;
	out->up = i->ifi_flags & IFF_UP;
	(void)nla_strlcpy(out->name, tb[IFLA_IFNAME], sizeof(out->name));
	if (tb[IFLA_MTU])
		out->mtu = nla_get_u32(tb[IFLA_MTU]);
	if (tb[IFLA_MASTER])
		out->master = (int)nla_get_u32(tb[IFLA_MASTER]);
	if (tb[IFLA_ADDRESS] && nla_len(tb[IFLA_ADDRESS]) == sizeof(out->mac))
		memcpy(out->mac, nla_data(tb[IFLA_ADDRESS]), sizeof(out->mac));
	if (tb[IFLA_LINKINFO] &&
	    nla_parse_nested(kind, IFLA_INFO_MAX, tb[IFLA_LINKINFO], NULL) == 0 &&
	    kind[IFLA_INFO_KIND])
		out->is_bridge = nla_strcmp(kind[IFLA_INFO_KIND], "bridge") == 0;
	return 0;
}

int link_find(struct link *l, const char *name, struct link_info *out)
{
	struct ifinfomsg any = {.ifi_family = AF_UNSPEC};
	struct nlmsghdr *h;
	struct nl_msg *m;
	int rc;

	if (!link_name_valid(name))
		return -ENODEV;
	m = request(l, RTM_GETLINK, 0, &any);
	if (!m)
		return -ENOMEM;
	if (nla_put_string(m, IFLA_IFNAME, name) < 0 ||
	    nla_put_u32(m, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS) < 0) {
		nlmsg_free(m);
		return -ENOMEM;
	}
	rc = link_ask(l, m, RTM_NEWLINK, &h);
	if (rc == 0 && !h)
		rc = -EPROTO;
	return rc < 0 ? rc : read_info(h, out);
}

/* --- changes --- */

static const char *name_of(int ifindex, char name[LINK_NAME + 8])
{
	/* Only for a message. Asking by index cannot make the kernel load a module. */
	if (!if_indextoname((unsigned int)ifindex, name))
		(void)snprintf(name, LINK_NAME + 8, "%d", ifindex);
	return name;
}

static int failed(struct link *l, int rc, int ifindex, const struct link_change *c, struct err *e)
{
	char name[LINK_NAME + 8];
	char other[LINK_NAME + 8];
	const char *why = link_why(l, rc);

	(void)name_of(ifindex, name);
	if (rc == -ENODEV)
		return err_set(e, ENODEV, "interface %s does not exist any more", name);
	if (rc == -EXFULL && c->master > 0)
		return err_set(e, EXFULL, "interface %s: bridge %s is full: " BRIDGE_FULL, name,
			       name_of(c->master, other));
	if (rc == -EEXIST && c->name)
		return err_set(e, EEXIST, "interface %s: the name \"%s\" is taken", name, c->name);
	if (rc == -EBUSY && c->name)
		return err_set(e, EBUSY, "interface %s: cannot be renamed to \"%s\" while it is up",
			       name, c->name);
	if (rc == -EADDRNOTAVAIL && c->mac)
		return err_set(e, EADDRNOTAVAIL, "interface %s: does not take this MAC address",
			       name);
	if (rc == -EINVAL && c->mtu && c->master <= 0)
		return err_set(e, EINVAL, "interface %s: MTU %u: %s", name, c->mtu, why);
	if (c->master > 0)
		return err_set(e, -rc, "interface %s: join %s: %s", name, name_of(c->master, other),
			       why);
	return err_set(e, -rc, "interface %s: %s: %s", name, c->up >= 0 ? "set" : "change", why);
}

int link_set(struct link *l, int ifindex, const struct link_change *c, struct err *e)
{
	struct ifinfomsg i = {
		.ifi_family = AF_UNSPEC,
		.ifi_index = ifindex,
		.ifi_flags = (c->up > 0 ? IFF_UP : 0u) | (c->port ? IFF_NOARP : 0u),
		.ifi_change =
			(c->up >= 0 ? IFF_UP : 0u) | (c->port ? IFF_NOARP | IFF_MULTICAST : 0u),
	};
	struct nlmsghdr *h;
	struct nl_msg *m;
	int bad = 0;
	int rc;

	if (ifindex <= 0)
		return err_set(e, EINVAL, "interface %d: not an index", ifindex);
	if (c->name && !link_name_valid(c->name))
		return err_set(e, EINVAL, "interface %d: \"%.32s\" is not a name for one", ifindex,
			       c->name);
	m = request(l, RTM_NEWLINK, NLM_F_ACK, &i);
	if (!m)
		return err_set(e, ENOMEM, "out of memory");
	if (c->mac)
		bad |= nla_put(m, IFLA_ADDRESS, 6, c->mac);
	if (c->mtu)
		bad |= nla_put_u32(m, IFLA_MTU, c->mtu);
	if (c->name)
		bad |= nla_put_string(m, IFLA_IFNAME, c->name);
	if (c->master >= 0)
		bad |= nla_put_u32(m, IFLA_MASTER, (uint32_t)c->master);
	if (bad) {
		nlmsg_free(m);
		return err_set(e, ENOMEM, "out of memory");
	}
	rc = link_ask(l, m, 0, &h);
	return rc < 0 ? failed(l, rc, ifindex, c, e) : 0;
}

int link_pin(struct link *l, int ifindex, const uint8_t mac[6])
{
	/* static: it does not age; sticky: it does not move (Linux 5.0) */
	const struct ndmsg n = {.ndm_family = AF_BRIDGE,
				.ndm_ifindex = ifindex,
				.ndm_state = NUD_NOARP,
				.ndm_flags = NTF_MASTER | NTF_STICKY};
	struct nlmsghdr *h;
	struct nl_msg *m = link_request(l, RTM_NEWNEIGH, NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE,
					&n, sizeof(n));

	if (!m)
		return -ENOMEM;
	if (nla_put(m, NDA_LLADDR, 6, mac) < 0) {
		nlmsg_free(m);
		return -ENOMEM;
	}
	return link_ask(l, m, 0, &h);
}
