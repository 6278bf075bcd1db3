/* SPDX-License-Identifier: BSD-3-Clause */
/* The vif for lwIP: sending and receiving frames, time, addresses, random numbers. */
#include "port.h"

#include <xen/sched.h>

#include "secret.h"

#include "lwip/dhcp.h"
#include "lwip/etharp.h"
#include "lwip/ethip6.h"
#include "lwip/init.h"
#include "lwip/priv/tcp_priv.h"
#include "lwip/timeouts.h"
#include "netif/ethernet.h"

#define BUFFERS 48 /* pages a direction */
#define BUDGET	32
#define TRANSPORT                                                                                  \
	(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP | NETIF_CHECKSUM_CHECK_ICMP |         \
	 NETIF_CHECKSUM_CHECK_ICMP6)

static struct kit_net vif;
static struct netif interface;
static ip6_addr_t gateway6;
static bool with_dhcp;
static struct secret secret;
static uint32_t lives; /* of the vif, as far as lwIP knows */
void (*port_each_turn)(void);

const struct kit_net *port_vif(void)
{
	return &vif;
}

/* --- what lwIP calls --- */

uint32_t port_random(void)
{
	return secret_random(&secret);
}

/* The four values that identify a connection, without padding. */
uint32_t port_isn(const struct ip_addr *local, uint16_t local_port, const struct ip_addr *remote,
		  uint16_t remote_port)
{
	uint32_t id[9] = {0};

	if (IP_IS_V6(remote)) {
		memcpy(id, ip_2_ip6(local)->addr, 16);
		memcpy(id + 4, ip_2_ip6(remote)->addr, 16);
	} else {
		id[0] = ip4_addr_get_u32(ip_2_ip4(local));
		id[4] = ip4_addr_get_u32(ip_2_ip4(remote));
	}
	id[8] = (uint32_t)local_port << 16 | remote_port;
	return secret_isn(&secret, id, sizeof(id), kit_time_ns());
}

void port_assert(const char *what)
{
	kit_print("lwIP: %s\r\n", what);
	kit_shutdown(SHUTDOWN_crash, 0);
}

/* Read once in each turn, because reading the clock can be an exit to Xen. */
static uint32_t now_ms;

static void look_at_clock(void)
{
	now_ms = (uint32_t)(kit_time_ns() / 1000000);
}

uint32_t sys_now(void);
uint32_t sys_now(void)
{
	return now_ms;
}

const struct ip6_addr *port_gateway6(struct netif *netif, const struct ip6_addr *to)
{
	(void)netif;
	(void)to;
	return ip6_addr_isany(&gateway6) ? NULL : &gateway6;
}

static bool silent; /* nothing is sent */

static err_t output(struct netif *netif, struct pbuf *p)
{
	struct kit_frame f = {.len = p->tot_len};
	static uint8_t flat[2048];

	(void)netif;
	if (silent)
		return ERR_OK;
	if (pbuf_clen(p) > KIT_FRAME_PARTS) {
		if (p->tot_len > sizeof(flat))
			return ERR_BUF;
		f.parts = 1;
		f.part[0].data = flat;
		f.part[0].len = pbuf_copy_partial(p, flat, p->tot_len, 0);
	} else {
		for (; p; p = p->next, f.parts++) {
			f.part[f.parts].data = p->payload;
			f.part[f.parts].len = p->len;
		}
	}
	return kit_net_send(&vif, &f) ? ERR_OK : ERR_MEM;
}

static void input(void *arg, const struct kit_frame *f)
{
	struct pbuf *p = pbuf_alloc(PBUF_RAW, (uint16_t)f->len, PBUF_POOL);
	uint16_t at = 0;

	(void)arg;
	if (!p) {
		vif.dropped++;
		return;
	}
	for (uint32_t i = 0; i < f->parts; i++) {
		(void)pbuf_take_at(p, f->part[i].data, (uint16_t)f->part[i].len, at);
		at = (uint16_t)(at + f->part[i].len);
	}
	/* From another domain of this host: the bytes were never on a wire. */
	NETIF_SET_CHECKSUM_CTRL(&interface, f->flags ? NETIF_CHECKSUM_ENABLE_ALL & ~TRANSPORT
						     : NETIF_CHECKSUM_ENABLE_ALL);
	if (interface.input(p, &interface) != ERR_OK)
		pbuf_free(p);
}

/* --- addresses --- */

static void print_address(struct netif *netif)
{
	static ip4_addr_t shown;

	if (!with_dhcp) /* dom0 knows it: it said so */
		return;
	if (ip4_addr_isany(netif_ip4_addr(netif)) || ip4_addr_cmp(&shown, netif_ip4_addr(netif)))
		return;
	shown = *netif_ip4_addr(netif);
	kit_print("vif 0: %s\r\n", ip4addr_ntoa(&shown));
}

static err_t attach(struct netif *netif)
{
	netif->name[0] = 'v';
	netif->name[1] = 'i';
	netif->output = etharp_output;
	netif->output_ip6 = ethip6_output;
	netif->linkoutput = output;
	netif->hwaddr_len = 6;
	memcpy(netif->hwaddr, vif.dev.vif.mac, 6);
	netif->mtu = vif.dev.vif.mtu ? vif.dev.vif.mtu : 1500;
	netif->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET |
		       NETIF_FLAG_LINK_UP | NETIF_FLAG_MLD6;
	netif_set_status_callback(netif, print_address);
	return ERR_OK;
}

static ip4_addr_t mask(uint32_t prefix)
{
	ip4_addr_t m;

	ip4_addr_set_u32(&m, lwip_htonl(prefix ? ~0u << (32 - (prefix < 32 ? prefix : 32)) : 0));
	return m;
}

/* Settings of the device page. */
static void by_page(ip4_addr_t *ip, ip4_addr_t *net, ip4_addr_t *gw, ip6_addr_t *ip6)
{
	const struct noxs_vif *v = &vif.dev.vif;

	if (vif.dev.flags & NOXS_VIF_IPV4) {
		memcpy(ip, v->ipv4, 4);
		memcpy(gw, v->ipv4_gateway, 4);
		*net = mask(v->ipv4_prefix);
	}
	if (vif.dev.flags & NOXS_VIF_IPV6) {
		memcpy(ip6->addr, v->ipv6, 16);
		memcpy(gateway6.addr, v->ipv6_gateway, 16);
	}
	with_dhcp = vif.dev.flags & NOXS_VIF_DHCP;
}

/* An option's address without its /prefix, as a string; false when it is too long. */
static bool address_text(const char *key, char *to, size_t size, uint32_t *prefix)
{
	size_t len = 0;
	size_t n = 0;
	const char *text = kit_option_text(key, 0, &len);

	if (!text)
		return false;
	for (; n < len && text[n] != '/' && n + 1 < size; n++)
		to[n] = text[n];
	to[n] = '\0';
	if (n < len && text[n] == '/')
		for (*prefix = 0, n++; n < len && text[n] >= '0' && text[n] <= '9'; n++)
			*prefix = *prefix * 10 + (uint32_t)(text[n] - '0');
	return true;
}

static bool wrong(const char *what, const char *text)
{
	kit_print("%s%s: not an address\r\n", what, text);
	return false;
}

static bool by_options(ip4_addr_t *ip, ip4_addr_t *net, ip4_addr_t *gw, ip6_addr_t *ip6)
{
	char text[48];
	uint32_t prefix = 24;
	size_t len;

	if (address_text("ip=", text, sizeof(text), &prefix)) {
		if (!ip4addr_aton(text, ip) || prefix > 32)
			return wrong("ip=", text);
		*net = mask(prefix);
		with_dhcp = false;
	}
	if (address_text("gw=", text, sizeof(text), &prefix) && !ip4addr_aton(text, gw))
		return wrong("gw=", text);
	if (address_text("ip6=", text, sizeof(text), &prefix) && !ip6addr_aton(text, ip6))
		return wrong("ip6=", text);
	if (address_text("gw6=", text, sizeof(text), &prefix) && !ip6addr_aton(text, &gateway6))
		return wrong("gw6=", text);
	if (kit_option_text("dhcp", 0, &len) && len == 0)
		with_dhcp = true;
	return true;
}

/* Makes new keys: at the start, and in each domain in which the guest continues. The page's seed
 * is erased; without a seed, values that no other guest has at this moment are used. */
static void seed(void)
{
	uint8_t from[SECRET_SEED] = {0};
	uint64_t now[2] = {kit_time_ns(), kit_wallclock_ns()};

	memcpy(from, now, sizeof(now));
	memcpy(from + sizeof(now), vif.dev.vif.mac, sizeof(vif.dev.vif.mac));
	for (uint32_t i = 0; kit.page && i < sizeof(from); i++) {
		from[i] ^= kit.page->seed[i];
		kit.page->seed[i] = 0;
	}
	secret_renew(&secret, from);
}

bool port_open(void)
{
	ip4_addr_t ip = {0};
	ip4_addr_t net = {0};
	ip4_addr_t gw = {0};
	ip6_addr_t ip6 = {0};

	if (!kit_net_open(&vif, 0, BUFFERS)) {
		kit_print("no vif\r\n");
		return false;
	}
	seed();
	look_at_clock();
	lwip_init();
	by_page(&ip, &net, &gw, &ip6);
	if (!by_options(&ip, &net, &gw, &ip6) ||
	    !netif_add(&interface, &ip, &net, &gw, NULL, attach, ethernet_input))
		return false;
	netif_set_default(&interface);
	if (!ip6_addr_isany(&ip6) ||
	    ip4_addr_isany(&ip)) /* a guest with only an IPv4 address uses only that */
		netif_create_ip6_linklocal_address(&interface, 1);
	if (!ip6_addr_isany(&ip6)) {
		netif_ip6_addr_set(&interface, 1, &ip6);
		netif_ip6_addr_set_state(&interface, 1, IP6_ADDR_PREFERRED);
	}
	netif_set_up(&interface);
	return !with_dhcp || dhcp_start(&interface) == ERR_OK;
}

/* Of a guest that continues elsewhere. If the address is another one, lwIP resets the connections
 * of the old one. Their peers must not hear of that: the guest is a copy, and its original has
 * these connections. */
static void set_address(const ip4_addr_t *ip, const ip4_addr_t *net, const ip4_addr_t *gw)
{
	bool other = !ip4_addr_cmp(ip, netif_ip4_addr(&interface));

	silent = other;
	netif_set_addr(&interface, ip, net, gw);
	silent = false;
	if (other) /* also what waits for the answer to an ARP request */
		etharp_cleanup_netif(&interface);
}

/* A copy with another MAC does not have the lease of the original, nor the address made from its
 * MAC. */
static void forget_addresses(void)
{
	if (with_dhcp) {
		set_address(IP4_ADDR_ANY4, IP4_ADDR_ANY4, IP4_ADDR_ANY4);
		(void)dhcp_start(&interface);
	}
	if (!ip6_addr_isany(netif_ip6_addr(&interface, 0)))
		netif_create_ip6_linklocal_address(&interface, 1);
}

/* The guest is another domain, and maybe a copy: it uses the MAC of the page, and announces
 * itself to switches. Its address stays unless the page has another one. Numbers that a peer
 * must not guess, and the port of the next connection, differ from those of other copies. */
static void go_on_elsewhere(void)
{
	ip4_addr_t ip;
	ip4_addr_t net;
	ip4_addr_t gw;
	ip6_addr_t ip6 = *netif_ip6_addr(&interface, 1);
	bool other = memcmp(interface.hwaddr, vif.dev.vif.mac, sizeof(vif.dev.vif.mac)) != 0;

	lives = vif.lives;
	memcpy(interface.hwaddr, vif.dev.vif.mac, sizeof(vif.dev.vif.mac));
	seed();
	tcp_init();
	udp_init();
	if (other)
		forget_addresses();
	ip = *netif_ip4_addr(&interface);
	net = *netif_ip4_netmask(&interface);
	gw = *netif_ip4_gw(&interface);
	by_page(&ip, &net, &gw, &ip6);
	set_address(&ip, &net, &gw);
	if (!ip6_addr_isany(&ip6))
		netif_ip6_addr_set(&interface, 1, &ip6);
	if (!ip4_addr_isany(netif_ip4_addr(&interface)))
		(void)etharp_gratuitous(&interface);
}

void port_run(void)
{
	bool ready = false;

	for (;;) {
		uint32_t n;
		uint32_t ms;

		look_at_clock();
		if (lives != vif.lives)
			go_on_elsewhere();
		n = kit_net_poll(&vif, BUDGET, input, NULL);

		sys_check_timeouts();
		if (port_each_turn)
			port_each_turn();
		kit_net_flush(&vif);
		if (!ready && (!with_dhcp || dhcp_supplied_address(&interface))) {
			ready = true;
			kit_ready();
		}
		if (n == BUDGET)
			continue;
		ms = sys_timeouts_sleeptime();
		if (ms)
			kit_idle(ms == SYS_TIMEOUTS_SLEEPTIME_INFINITE ? 0 : ms * 1000000ull);
	}
}

int port_serve(uint16_t port, tcp_accept_fn accepted, udp_recv_fn datagram)
{
	struct tcp_pcb *tcp;
	struct udp_pcb *udp;

	if (!port_open())
		return 1;
	tcp = tcp_new_ip_type(IPADDR_TYPE_ANY);
	udp = udp_new_ip_type(IPADDR_TYPE_ANY);
	if (!tcp || !udp || tcp_bind(tcp, IP_ANY_TYPE, port) != ERR_OK ||
	    udp_bind(udp, IP_ANY_TYPE, port) != ERR_OK)
		return 1;
	tcp = tcp_listen(tcp);
	if (!tcp)
		return 1;
	tcp_accept(tcp, accepted);
	udp_recv(udp, datagram, NULL);
	port_run();
}
