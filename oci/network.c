/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages of rtnetlink, as items for the agent. */
#include "oci/network.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#define ITEMS_MAX 1024u

/* --- items --- */

static int add(struct network *n, struct err *e, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int add(struct network *n, struct err *e, const char *fmt, ...)
{
	char **more = NULL;
	va_list ap;
	int rc;

	if (n->nitem >= ITEMS_MAX)
		return err_set(e, E2BIG,
			       "the network namespace has more than %u addresses and routes",
			       ITEMS_MAX);
	more = realloc(n->item, (n->nitem + 1) * sizeof(*more));
	if (!more)
		return err_set(e, ENOMEM, "out of memory");
	n->item = more;
	va_start(ap, fmt);
	rc = vasprintf(&n->item[n->nitem], fmt, ap);
	va_end(ap);
	if (rc < 0)
		return err_set(e, ENOMEM, "out of memory");
	n->nitem++;
	return 0;
}

void network_free(struct network *n)
{
	for (uint32_t i = 0; i < n->nitem; i++)
		free(n->item[i]);
	free(n->item);
	memset(n, 0, sizeof(*n));
}

/* --- messages --- */

#define ATTRIBUTES 32u /* as many kinds as are looked at */

/* As NLMSG_DATA() and RTA_DATA(), which take the const away. */
static const void *head_of(const struct nlmsghdr *h)
{
	return (const char *)h + NLMSG_HDRLEN;
}

static const void *value_of(const struct rtattr *a)
{
	return (const char *)a + RTA_LENGTH(0);
}

static void parse(const struct nlmsghdr *h, size_t head, const struct rtattr *tb[ATTRIBUTES])
{
	const char *at = (const char *)h + NLMSG_SPACE(head);
	int left = (int)h->nlmsg_len - (int)NLMSG_SPACE(head);

	for (uint32_t i = 0; i < ATTRIBUTES; i++)
		tb[i] = NULL;
	for (const struct rtattr *a = (const void *)at; RTA_OK(a, left); a = (const void *)at) {
		if ((a->rta_type & NLA_TYPE_MASK) < ATTRIBUTES)
			tb[a->rta_type & NLA_TYPE_MASK] = a;
		at += RTA_ALIGN(a->rta_len);
		left -= (int)RTA_ALIGN(a->rta_len);
	}
}

static uint32_t number(const struct rtattr *a, uint32_t none)
{
	uint32_t v = none;

	if (a && RTA_PAYLOAD(a) == sizeof(v))
		memcpy(&v, value_of(a), sizeof(v));
	return v;
}

static struct network_interface *find(struct network *n, int index)
{
	for (uint32_t i = 0; i < n->n; i++)
		if (n->interface[i].index == index)
			return &n->interface[i];
	return NULL;
}

/* It becomes a part of a key of chaos.cfg(5), and of a line of words. */
static bool is_plain(const char *name)
{
	return *name && !strpbrk(name, " ,'\"\\=") && strcmp(name, "-") != 0;
}

static int take_link(struct network *n, const struct nlmsghdr *h, struct err *e)
{
	const struct ifinfomsg *m = head_of(h);
	struct network_interface *i = &n->interface[n->n];
	const struct rtattr *tb[ATTRIBUTES];
	const uint8_t *mac;
	size_t len;

	parse(h, sizeof(*m), tb);
	if (m->ifi_type != ARPHRD_ETHER || (m->ifi_flags & IFF_LOOPBACK) || !tb[IFLA_IFNAME] ||
	    !tb[IFLA_ADDRESS] || RTA_PAYLOAD(tb[IFLA_ADDRESS]) != sizeof(i->mac))
		return 0;
	if (n->n == NETWORK_MAX)
		return err_set(e, E2BIG,
			       "the network namespace has more than %u interfaces, the most that a "
			       "VM can have",
			       NETWORK_MAX);
	memset(i, 0, sizeof(*i));
	len = RTA_PAYLOAD(tb[IFLA_IFNAME]);
	if (len > sizeof(i->name))
		len = sizeof(i->name);
	memcpy(i->name, value_of(tb[IFLA_IFNAME]), len);
	i->name[sizeof(i->name) - 1] = '\0';
	if (!is_plain(i->name))
		return err_set(e, EINVAL,
			       "interface \"%s\": a VM cannot take the place of an interface with "
			       "this name",
			       i->name);
	mac = value_of(tb[IFLA_ADDRESS]);
	memcpy(i->mac, mac, sizeof(i->mac));
	i->mtu = number(tb[IFLA_MTU], 1500);
	i->index = m->ifi_index;
	n->n++;
	return add(n, e, "if %02x:%02x:%02x:%02x:%02x:%02x %u %s", mac[0], mac[1], mac[2], mac[3],
		   mac[4], mac[5], i->mtu, i->name);
}

static int take_address(struct network *n, const struct nlmsghdr *h, struct err *e)
{
	const struct ifaddrmsg *m = head_of(h);
	struct network_interface *i = find(n, (int)m->ifa_index);
	bool v6 = m->ifa_family == AF_INET6;
	const struct rtattr *tb[ATTRIBUTES];
	char text[INET6_ADDRSTRLEN];
	const struct rtattr *a;

	parse(h, sizeof(*m), tb);
	a = tb[IFA_LOCAL] ? tb[IFA_LOCAL] : tb[IFA_ADDRESS];
	/* an IPv6 address of the link alone the guest makes itself, of the same MAC */
	if (!i || !a || (!v6 && m->ifa_family != AF_INET) ||
	    (v6 && m->ifa_scope == RT_SCOPE_LINK) || RTA_PAYLOAD(a) != (v6 ? 16 : 4) ||
	    !inet_ntop(m->ifa_family, value_of(a), text, sizeof(text)))
		return 0;
	if (!i->ip[v6][0])
		(void)snprintf(i->ip[v6], sizeof(i->ip[v6]), "%s/%u", text, m->ifa_prefixlen);
	return add(n, e, "ip %s %s/%u", i->name, text, m->ifa_prefixlen);
}

/* Those of the kernel come with addresses, and those that routers say come again. */
static bool is_said(const struct rtmsg *m, const struct rtattr *const *tb)
{
	return number(tb[RTA_TABLE], m->rtm_table) == RT_TABLE_MAIN && m->rtm_type == RTN_UNICAST &&
	       m->rtm_protocol != RTPROT_KERNEL && m->rtm_protocol != RTPROT_RA &&
	       m->rtm_protocol != RTPROT_REDIRECT && !(m->rtm_flags & RTM_F_CLONED);
}

static int take_route(struct network *n, const struct nlmsghdr *h, struct err *e)
{
	const struct rtmsg *m = head_of(h);
	bool v6 = m->rtm_family == AF_INET6;
	const struct rtattr *tb[ATTRIBUTES];
	struct network_interface *i;
	size_t len = v6 ? 16 : 4;
	char to[INET6_ADDRSTRLEN];
	char by[INET6_ADDRSTRLEN] = "-";
	uint8_t none[16] = {0};

	parse(h, sizeof(*m), tb);
	i = find(n, (int)number(tb[RTA_OIF], 0));
	if (!i || (!v6 && m->rtm_family != AF_INET) || !is_said(m, tb) ||
	    (tb[RTA_DST] && RTA_PAYLOAD(tb[RTA_DST]) != len) ||
	    (tb[RTA_GATEWAY] && RTA_PAYLOAD(tb[RTA_GATEWAY]) != len))
		return 0;
	if (!inet_ntop(m->rtm_family, tb[RTA_DST] ? value_of(tb[RTA_DST]) : none, to, sizeof(to)) ||
	    (tb[RTA_GATEWAY] &&
	     !inet_ntop(m->rtm_family, value_of(tb[RTA_GATEWAY]), by, sizeof(by))))
		return 0;
	if (m->rtm_dst_len == 0 && tb[RTA_GATEWAY] && !i->gateway[v6][0])
		(void)snprintf(i->gateway[v6], sizeof(i->gateway[v6]), "%s", by);
	return add(n, e, "to %s %s/%u %s %u%s", i->name, to, m->rtm_dst_len, by,
		   number(tb[RTA_PRIORITY], 0), m->rtm_flags & RTNH_F_ONLINK ? " onlink" : "");
}

int network_take(struct network *n, const struct nlmsghdr *h, struct err *e)
{
	static const struct {
		uint16_t type;
		size_t head;
		int (*take)(struct network *n, const struct nlmsghdr *h, struct err *e);
	} kinds[] = {{RTM_NEWLINK, sizeof(struct ifinfomsg), take_link},
		     {RTM_NEWADDR, sizeof(struct ifaddrmsg), take_address},
		     {RTM_NEWROUTE, sizeof(struct rtmsg), take_route}};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (h->nlmsg_type == kinds[i].type && h->nlmsg_len >= NLMSG_SPACE(kinds[i].head))
			return kinds[i].take(n, h, e);
	return 0;
}
