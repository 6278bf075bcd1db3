/* SPDX-License-Identifier: BSD-3-Clause */
/* What a network namespace says of itself, as items for the agent and keys of a VM. */
#include "tests/unit/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/if_arp.h>
#include <linux/rtnetlink.h>

#include "oci/bundle.h"
#include "oci/network.h"

static struct {
	struct nlmsghdr h;
	uint8_t rest[4096];
} m;

static void begin(uint16_t type, const void *head, size_t len)
{
	memset(&m, 0, sizeof(m));
	m.h.nlmsg_type = type;
	m.h.nlmsg_len = (uint32_t)NLMSG_SPACE(len);
	memcpy(NLMSG_DATA(&m.h), head, len);
}

static void attribute(uint16_t type, const void *data, size_t len)
{
	struct rtattr *a = (void *)((uint8_t *)&m + NLMSG_ALIGN(m.h.nlmsg_len));

	a->rta_type = type;
	a->rta_len = (uint16_t)RTA_LENGTH(len);
	memcpy(RTA_DATA(a), data, len);
	m.h.nlmsg_len = NLMSG_ALIGN(m.h.nlmsg_len) + (uint32_t)RTA_SPACE(len);
}

static void ip(uint16_t type, int family, const char *text)
{
	uint8_t bytes[16];

	assert_int_equal(inet_pton(family, text, bytes), 1);
	attribute(type, bytes, family == AF_INET ? 4 : 16);
}

static void link_says(int index, const char *name, uint16_t kind)
{
	struct ifinfomsg i = {.ifi_index = index, .ifi_type = kind};
	uint32_t mtu = 1400;

	begin(RTM_NEWLINK, &i, sizeof(i));
	attribute(IFLA_IFNAME, name, strlen(name) + 1);
	attribute(IFLA_ADDRESS, "\x02\x42\xac\x11\x00\x02", 6);
	attribute(IFLA_MTU, &mtu, 4);
}

static void address_says(int index, int family, uint8_t scope, const char *text)
{
	struct ifaddrmsg a = {.ifa_family = (uint8_t)family,
			      .ifa_prefixlen = family == AF_INET ? 16 : 64,
			      .ifa_scope = scope,
			      .ifa_index = (uint32_t)index};

	begin(RTM_NEWADDR, &a, sizeof(a));
	ip(IFA_ADDRESS, family, text);
}

static void route_says(int index, int family, uint8_t protocol, const char *to, uint8_t len,
		       const char *by)
{
	struct rtmsg r = {.rtm_family = (uint8_t)family,
			  .rtm_dst_len = len,
			  .rtm_table = RT_TABLE_MAIN,
			  .rtm_protocol = protocol,
			  .rtm_type = RTN_UNICAST};

	begin(RTM_NEWROUTE, &r, sizeof(r));
	if (to)
		ip(RTA_DST, family, to);
	if (by)
		ip(RTA_GATEWAY, family, by);
	attribute(RTA_OIF, &index, 4);
}

static void take(struct network *n)
{
	struct err e = {0};

	assert_int_equal(network_take(n, &m.h, &e), 0);
}

static void becomes_items(void **state)
{
	static const char *const want[] = {"if 02:42:ac:11:00:02 1400 eth0",
					   "ip eth0 10.88.0.2/16",
					   "ip eth0 fd77::2/64",
					   "to eth0 0.0.0.0/0 10.88.0.1 0",
					   "to eth0 fd01::/48 - 0",
					   "to eth0 ::/0 fe80::1 0"};
	struct network n = {0};
	struct plan p = {.kernel_fd = -1, .initrd_fd = -1};
	struct err e = {0};

	(void)state;
	link_says(1, "lo", ARPHRD_LOOPBACK);
	take(&n);
	link_says(7, "eth0", ARPHRD_ETHER);
	take(&n);
	address_says(1, AF_INET, 0, "127.0.0.1");
	take(&n);
	address_says(7, AF_INET, 0, "10.88.0.2");
	take(&n);
	address_says(7, AF_INET6, 0, "fd77::2");
	take(&n);
	address_says(7, AF_INET6, RT_SCOPE_LINK, "fe80::42");
	take(&n);
	route_says(7, AF_INET, RTPROT_STATIC, NULL, 0, "10.88.0.1");
	take(&n);
	route_says(7, AF_INET, RTPROT_KERNEL, "10.88.0.0", 16, NULL);
	take(&n);
	route_says(7, AF_INET6, RTPROT_STATIC, "fd01::", 48, NULL);
	take(&n);
	route_says(7, AF_INET6, RTPROT_RA, NULL, 0, "fe80::9");
	take(&n);
	route_says(7, AF_INET6, RTPROT_STATIC, NULL, 0, "fe80::1");
	take(&n);
	assert_int_equal(n.nitem, sizeof(want) / sizeof(want[0]));
	for (uint32_t i = 0; i < n.nitem; i++)
		assert_string_equal(n.item[i], want[i]);
	assert_int_equal(plan_add_network(&p, &n, 42, &e), 0);
	assert_string_equal(p.set[0], "vif=netns=/proc/42/ns/net,peer=eth0,ip=10.88.0.2/16 "
				      "fd77::2/64,gateway=10.88.0.1,gateway6=fe80::1");
	plan_free(&p);
	network_free(&n);
}

static void what_a_vm_cannot_have(void **state)
{
	struct network n = {0};
	struct err e = {0};

	(void)state;
	link_says(7, "a,b", ARPHRD_ETHER);
	assert_int_equal(network_take(&n, &m.h, &e), -EINVAL);
	for (int i = 0; i < (int)NETWORK_MAX; i++) {
		link_says(7 + i, "eth", ARPHRD_ETHER);
		take(&n);
	}
	assert_int_equal(network_take(&n, &m.h, &e), -E2BIG);
	network_free(&n);
}

/* Of any length, with any lengths in it. */
static void cut_short(void **state)
{
	struct network n = {0};
	uint32_t whole;

	(void)state;
	route_says(7, AF_INET6, RTPROT_STATIC, "fd01::", 48, "fd77::1");
	whole = m.h.nlmsg_len;
	for (uint32_t len = sizeof(m.h); len < whole; len++) {
		m.h.nlmsg_len = len;
		take(&n);
	}
	assert_int_equal(n.nitem, 0);
	network_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(becomes_items),
					   cmocka_unit_test(what_a_vm_cannot_have),
					   cmocka_unit_test(cut_short)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
