/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces of dom0 as they come, change and go; and tap interfaces. */
#include "noxs/link.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_tun.h>
#include <linux/rtnetlink.h>
#include <linux/virtio_net.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

/* A notice takes 2 to 3 KiB of it; a thousand interfaces may come at once. */
#define BUFFER (8 << 20)

struct link_watch {
	struct nl_sock *sock;
	link_watch_fn *fn;
	void *arg;
	uint8_t notice[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
};

int link_watch_open(struct link_watch **out, link_watch_fn *fn, void *arg, struct err *e)
{
	struct link_watch *w = calloc(1, sizeof(*w));
	int bytes = BUFFER;
	int rc;

	*out = NULL;
	if (!w)
		return err_set(e, ENOMEM, "out of memory");
	w->fn = fn;
	w->arg = arg;
	w->sock = nl_socket_alloc();
	if (!w->sock) {
		free(w);
		return err_set(e, ENOMEM, "out of memory");
	}
	rc = nl_connect(w->sock, NETLINK_ROUTE);
	if (rc == 0)
		rc = nl_socket_add_membership(w->sock, RTNLGRP_LINK);
	if (rc == 0)
		rc = nl_socket_set_nonblocking(w->sock);
	if (rc < 0) {
		rc = err_set(e, EIO, "watch interfaces: %s", nl_geterror(rc));
		link_watch_close(w);
		return rc;
	}
	if (setsockopt(link_watch_fd(w), SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(link_watch_fd(w), SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	*out = w;
	return 0;
}

void link_watch_close(struct link_watch *w)
{
	if (!w)
		return;
	nl_socket_free(w->sock);
	free(w);
}

int link_watch_fd(const struct link_watch *w)
{
	return nl_socket_get_fd(w->sock);
}

static void notice(struct link_watch *w, struct nlmsghdr *h)
{
	const struct ifinfomsg *i = nlmsg_data(h);
	struct nlattr *name;

	if (h->nlmsg_type != RTM_NEWLINK && h->nlmsg_type != RTM_DELLINK)
		return;
	/* A bridge tells of its ports under its own family: one that leaves is not gone. */
	if (nlmsg_datalen(h) < (int)sizeof(*i) || i->ifi_family != AF_UNSPEC)
		return;
	name = nlmsg_find_attr(h, sizeof(*i), IFLA_IFNAME);
	if (name && nla_len(name) > 0 &&
	    strnlen(nla_get_string(name), (size_t)nla_len(name)) < LINK_NAME)
		w->fn(w->arg, nla_get_string(name), i->ifi_index, h->nlmsg_type == RTM_DELLINK);
}

int link_watch_poll(struct link_watch *w)
{
	for (;;) {
		struct sockaddr_nl from = {0};
		socklen_t from_len = sizeof(from);
		ssize_t n = recvfrom(link_watch_fd(w), w->notice, sizeof(w->notice), MSG_TRUNC,
				     (struct sockaddr *)&from, &from_len);
		int left;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (from.nl_pid != 0) /* not the kernel */
			continue;
		if ((size_t)n > sizeof(w->notice))
			return -ENOBUFS;
		left = (int)n;
		for (struct nlmsghdr *h = (struct nlmsghdr *)(void *)w->notice; nlmsg_ok(h, left);
		     h = nlmsg_next(h, &left))
			notice(w, h);
	}
}

/* --- taps --- */

int link_tap(const char *name, bool vnet_hdr, int *out, struct err *e)
{
	struct ifreq r = {.ifr_flags =
				  (short)(IFF_TAP | IFF_NO_PI | (vnet_hdr ? IFF_VNET_HDR : 0))};
	int size = sizeof(struct virtio_net_hdr);
	int fd;
	int rc = 0;

	*out = -1;
	if (!link_name_valid(name))
		return err_set(e, EINVAL, "\"%.32s\" is not a name for an interface", name);
	r.ifr_flags = (short)((unsigned short)r.ifr_flags | IFF_TUN_EXCL);
	memcpy(r.ifr_name, name, strlen(name));
	fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return err_sys(e, errno, "tap \"%s\": /dev/net/tun", name);
	if (ioctl(fd, TUNSETIFF, &r) < 0)
		rc = errno == EBUSY ? err_set(e, EEXIST, "the interface name \"%s\" is taken", name)
				    : err_sys(e, errno, "tap \"%s\"", name);
	if (rc == 0 && vnet_hdr &&
	    (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0 ||
	     ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) < 0))
		rc = err_sys(e, errno, "tap \"%s\": offloads", name);
	if (rc < 0) {
		(void)close(fd);
		return rc;
	}
	*out = fd;
	return 0;
}
